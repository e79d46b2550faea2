"""From y to pid: the known answers, and that nothing but the right key and domain gives them."""

import hmac
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymisation.domain import PID_LABEL, Domain
from pseudonymisation.errors import MalformedError
from pseudonymisation.pseudonym import (
    pids,
    pids_through,
    pseudonym_text,
    read_pseudonym,
    rekeyer,
    unsafe_keyed_local,
)

DOMAIN = Domain("absence-statistics", "2026-2027")
KEY, OTHER_KEY = b"k" * 32, b"o" * 32
Y = bytes(range(64))

keys = st.binary(min_size=32, max_size=32)
pseudonyms = st.lists(st.binary(min_size=64, max_size=64), max_size=10)


def test_known_answers_of_the_design(shared: Path) -> None:
    """The pids of both purposes, as an independent computation fixed them."""
    known = json.loads((shared / "vectors/pseudonymisation/design_known_answers.json").read_text())
    ys = [bytes.fromhex(row["y_hex"]) for row in known["rows"]]
    for purpose, key in known["purpose_keys_hex"].items():
        made = pids(bytes.fromhex(key), Domain(purpose, known["period"]), ys)
        assert [one.hex() for one in made] == [row["pid"][purpose] for row in known["rows"]]


@given(keys, pseudonyms)
def test_is_hmac_sha256(key: bytes, ys: list[bytes]) -> None:
    """The fast way agrees with the standard library's HMAC over the specified bytes."""
    assert pids(key, DOMAIN, ys) == [hmac.digest(key, DOMAIN.prefix(PID_LABEL) + y, "sha256")[:16] for y in ys]


@given(keys, st.binary(min_size=16, max_size=16))
def test_rekeying_is_hmac_under_its_own_label(key: bytes, old: bytes) -> None:
    """A pid's successor is the HMAC of the pid, with a label no pseudonym's pid has."""
    message = b"nl-verzuim/rekey/v1\0absence-statistics\0002026-2027\0" + old
    assert rekeyer(key, DOMAIN)(old) == hmac.digest(key, message, "sha256")[:16]


@given(st.lists(keys, min_size=1, max_size=4), pseudonyms)
def test_a_chain_gives_what_rekeying_stored_pids_gives(chain: list[bytes], ys: list[bytes]) -> None:
    """A delivery after a leak meets the re-keyed rows of before."""
    stored = pids(chain[0], DOMAIN, ys)
    for key in chain[1:]:
        stored = [rekeyer(key, DOMAIN)(pid) for pid in stored]
    assert pids_through(chain, DOMAIN, ys) == stored


def test_purposes_years_and_keys_do_not_join() -> None:
    """The same pseudonym has another pid in every other purpose, year and key."""
    others = [
        pids(KEY, Domain("care-with-consent", "2026-2027"), [Y]),
        pids(KEY, Domain("absence-statistics", "2027-2028"), [Y]),
        pids(OTHER_KEY, DOMAIN, [Y]),
        pids(KEY, DOMAIN, [Y]),
    ]
    assert len({pid for (pid,) in others}) == 4


@pytest.mark.parametrize(
    ("key", "y"), [(b"", Y), (KEY[:31], Y), (KEY + b"k", Y), (KEY, b""), (KEY, Y[:63]), (KEY, Y + b"y")]
)
def test_other_lengths_are_refused(key: bytes, y: bytes) -> None:
    """A key or pseudonym of another length is an error, never a pid."""
    with pytest.raises(MalformedError):
        pids(key, DOMAIN, [y])


def test_an_empty_chain_is_refused() -> None:
    """Without a key there is no pid."""
    with pytest.raises(MalformedError):
        pids_through([], DOMAIN, [Y])


@given(st.binary(min_size=64, max_size=64))
def test_text_form_is_86_characters_and_comes_back(y: bytes) -> None:
    """A pseudonym in a document is 86 characters of base64url, and only that text is it."""
    text = pseudonym_text(y)
    assert len(text) == 86
    assert read_pseudonym(text) == y


@pytest.mark.parametrize(
    "text",
    [
        "",
        "A" * 85,
        "A" * 87,
        "A" * 85 + "=",
        "A" * 86 + "==",
        "A" * 85 + "B",
        "A" * 85 + "+",
        "A" * 85 + "/",
        "é" * 86,
        "A" * 85 + "\n",
    ],
)
def test_only_the_canonical_text_is_read(text: str) -> None:
    """Padding, another alphabet, stray bits in the last character: each would make two texts one pupil."""
    with pytest.raises(MalformedError):
        read_pseudonym(text)


def test_unsafe_keyed_local_has_the_form_of_a_pseudonym() -> None:
    """Pseudonyms by a plain key at the school have the right form."""
    assert len(unsafe_keyed_local(KEY, [b"x"])[0]) == 64
