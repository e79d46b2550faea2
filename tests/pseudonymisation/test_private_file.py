"""Files of the owner alone: replaced whole, read whole, overwritten when they held a key."""

import errno
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from pseudonymisation import private_file
from pseudonymisation.errors import KeyringError
from pseudonymisation.private_file import (
    make_private,
    make_private_folder,
    read_private,
    replace_shredding,
    write_private,
    write_private_files,
)


def test_a_reader_gets_the_old_or_the_new_bytes_never_the_zeros(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that is replaced and overwritten just after it was opened is read again."""
    path = tmp_path / "key"
    write_private(path, b"old")
    real, left = os.fstat, [lambda: replace_shredding({path: b"new"})]

    def fstat(descriptor: int) -> Any:  # noqa: ANN401  as the real one
        status = real(descriptor)
        if left:
            left.pop()()
        return status

    monkeypatch.setattr(private_file.os, "fstat", fstat)
    assert read_private(path) == b"new"


def test_of_two_that_make_a_file_at_once_one_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is slower changes nothing of what the other made, and leaves nothing beside it."""
    path, real, left = tmp_path / "key", private_file._place, [lambda: make_private(tmp_path / "key", b"first")]

    def place(*names: Any) -> None:  # noqa: ANN401  as the real one
        if left:
            left.pop()()
        real(*names)

    monkeypatch.setattr(private_file, "_place", place)
    for _ in range(2):
        make_private(path, b"second")
    assert [(one.name, read_private(one)) for one in tmp_path.iterdir()] == [("key", b"first")]


def test_a_file_is_made_whole_on_a_disk_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no file can have two names it is made all the same, once, and nothing is left beside it."""

    def no_links(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(private_file, "_link", no_links)
    for data in (b"first", b"second"):
        make_private(tmp_path / "key", data)
    assert [(one.name, read_private(one)) for one in tmp_path.iterdir()] == [("key", b"first")]


def test_several_files_are_replaced_each_whole(tmp_path: Path) -> None:
    """All are there afterwards, private, and nothing half-written beside them."""
    write_private_files({tmp_path / name: name.encode() for name in "abc"})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a": b"a", "b": b"b", "c": b"c"}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize("replace", [write_private_files, replace_shredding])
def test_what_a_link_leads_to_is_replaced_and_the_link_stays(
    tmp_path: Path, replace: Callable[[Mapping[Path, bytes]], None]
) -> None:
    """A file kept on another disk and linked to from here stays there alone, and nothing is left beside it."""
    (tmp_path / "disk").mkdir()
    write_private(tmp_path / "disk" / "key", b"old")
    (tmp_path / "here").symlink_to(tmp_path / "disk" / "key")
    replace({tmp_path / "here": b"new"})
    assert (tmp_path / "here").is_symlink()
    assert {path.name: path.read_bytes() for path in (tmp_path / "disk").iterdir()} == {"key": b"new"}


def test_a_wider_file_becomes_private_when_it_is_replaced(tmp_path: Path) -> None:
    """Writing over a file that others could read closes it."""
    path = tmp_path / "key"
    path.touch(0o644)
    write_private(path, b"x")
    assert read_private(path) == b"x"


def test_a_wider_file_or_folder_is_refused(tmp_path: Path) -> None:
    """What others can open is not trusted with a secret, nor believed to hold one."""
    (tmp_path / "open").mkdir(0o755)
    (tmp_path / "key").touch(0o640)
    for refused in (lambda: make_private_folder(tmp_path / "open"), lambda: read_private(tmp_path / "key")):
        with pytest.raises(KeyringError, match="chmod"):
            refused()
