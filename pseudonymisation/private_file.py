"""Files and folders that only their owner can read: 0600 and 0700 where the platform knows them.

On Windows the mode bits mean little; there the folder of the user's profile is what keeps others out.
"""

import errno
import os
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from shutil import copyfileobj
from typing import IO, BinaryIO

from pseudonymisation.errors import KeyringError

FILE_MODE = 0o600
FOLDER_MODE = 0o700
_KNOWS_MODES = os.name == "posix"
_WIDER = 0o077
_link = os.link if _KNOWS_MODES else os.rename  # neither replaces
_BINARY = getattr(os, "O_BINARY", 0)  # on Windows a descriptor is in text mode otherwise, and changes line ends


def make_private_folder(folder: Path) -> None:
    """Make the folder if it is missing, and refuse one that others can enter.

    Raises:
        KeyringError: the folder exists and is open to others.
    """
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    _refuse_wider(folder.stat(), folder, "0700")


def read_private(path: Path) -> bytes:
    """The bytes of a file that nobody else can read, also while another process replaces it.

    Raises:
        KeyringError: the file is missing, or open to others.
    """
    try:
        while True:
            with path.open("rb") as file:
                opened = os.fstat(file.fileno())
                _refuse_wider(opened, path, "0600")
                data = file.read()
                # What was replaced in the meantime may have been overwritten with zeros while it was read.
                if os.path.samestat(opened, path.stat()):
                    return data
    except FileNotFoundError:
        raise KeyringError("missing", path=path) from None


def write_private(path: Path, data: bytes | IO[bytes]) -> None:
    """Replace a file whole or not at all, by bytes or what is left of an open file; it is on disk when this returns."""
    write_private_files({path: data})


def make_private(path: Path, data: bytes) -> None:
    """Make a file whole where there is none; one that is there, or that another process makes meanwhile, stays."""
    if path.exists():
        return
    with suppress(FileExistsError), new_private(path) as file:
        file.write(data)


@contextmanager
def new_private(path: Path) -> Iterator[BinaryIO]:
    """A new file to write into, that gets its name only once the block ended without an error and all is on disk.

    Raises:
        FileExistsError: there is one of that name, which stays.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        _place(name, path)
    finally:
        Path(name).unlink(missing_ok=True)
    if _KNOWS_MODES:
        _flush(path.parent, os.O_RDONLY)


def write_private_files(contents: Mapping[Path, bytes | IO[bytes]]) -> None:
    """Replace several files of one folder, each whole or not at all; all are on disk when this returns.

    Written first and flushed afterwards, a thousand files cost the disk little more than one. The names they have
    before are fixed: what a killed process left is overwritten by the next, and no copy of a key stays behind.

    What a link leads to is replaced, and the link stays: else a key on the disk it leads to would outlive its end.
    """
    contents = {path.resolve(): data for path, data in contents.items()}
    fresh = {path: path.with_name(f".{path.name}.new") for path in contents}
    for path, data in contents.items():
        descriptor = os.open(fresh[path], os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _BINARY, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            fresh[path].chmod(FILE_MODE)
            if isinstance(data, bytes):
                file.write(data)
            else:
                copyfileobj(data, file)
    for path in contents:
        _flush(fresh[path], os.O_RDWR)
    for path in contents:
        fresh[path].replace(path)
    if _KNOWS_MODES:
        for folder in {path.parent for path in contents}:
            _flush(folder, os.O_RDONLY)


def replace_shredding(contents: Mapping[Path, bytes]) -> None:
    """Replace files of one folder, as `write_private_files` does, and write zeros over the bytes they had.

    The zeros are a courtesy, not the guarantee: a journal or a flash drive may keep copies. What makes a destroyed key
    unreadable everywhere is that the key it was wrapped with is gone too (`keyring`). Windows cannot replace an open
    file, so there the old bytes are left to the file system.
    """
    if not _KNOWS_MODES:
        write_private_files(contents)
        return
    with ExitStack() as opened:
        before = [opened.enter_context(path.open("r+b")) for path in contents]
        write_private_files(contents)
        for old in before:
            old.write(bytes(os.fstat(old.fileno()).st_size))
            old.flush()
        for old in before:
            os.fsync(old.fileno())


def _place(name: str, path: Path) -> None:
    """Give a file another name where none has it; without links, of two in the same moment the later one stays."""
    try:
        _link(name, path)
    except OSError as error:  # also on a disk without hard links
        if isinstance(error, FileExistsError) or path.exists():
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        Path(name).rename(path)


def _refuse_wider(status: os.stat_result, path: Path, wanted: str) -> None:
    if _KNOWS_MODES and stat.S_IMODE(status.st_mode) & _WIDER:
        raise KeyringError("open-to-others", path=path, mode=wanted)


def _flush(path: Path, flags: int) -> None:
    descriptor = os.open(path, flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
