"""Signed notes and keys of C2SP, strict."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.errors import NoteError
from audit.note import Key, Note, Signature, Signer, parse_note, parse_signatures

SIGNER = Signer("example.nl/note", bytes(range(32)))
OTHER = Signer("example.nl/other", bytes(32))
GOOD = str(SIGNER.sign("one line\nanother\n"))


def test_the_17_known_notes_are_accepted_and_refused_as_published(shared: Path) -> None:
    """Four notes of other implementations open; thirteen with one thing changed do not."""
    cases = json.loads((shared / "vectors/audit/signed_notes.json").read_text())
    for case in cases:
        if case["want"] == "valid":
            text = parse_note(case["note"]).opened([Key.parse(case["vkey"])])
            assert case["note"].startswith(text), case["name"]
        else:
            with pytest.raises(NoteError):
                parse_note(case["note"]).opened([Key.parse(case["vkey"])])
    assert len(cases) == 17


@given(text=st.text(st.characters(exclude_categories=["Cc", "Cs"]), max_size=40))
def test_what_is_signed_opens_with_its_key_only(text: str) -> None:
    """Any text without control characters can be signed and opened; a stranger's key opens nothing."""
    note = str(SIGNER.sign(f"{text}\n"))
    assert parse_note(note).opened([OTHER.key, SIGNER.key]) == f"{text}\n"
    with pytest.raises(NoteError, match="no known key"):
        parse_note(note).opened([OTHER.key])


@given(place=st.integers(0, len(GOOD) - 1), character=st.characters(codec="ascii"))
def test_a_note_with_one_character_changed_is_refused(place: int, character: str) -> None:
    """Change any character, and the note is malformed, unsigned or wrongly signed."""
    changed = GOOD[:place] + character + GOOD[place + 1 :]
    if changed != GOOD:
        with pytest.raises(NoteError):
            parse_note(changed).opened([SIGNER.key])


def test_a_wrong_signature_of_a_known_key_refuses_the_note_though_another_is_right() -> None:
    """A known key that signed something else makes the whole note suspect."""
    good, wrong = SIGNER.sign("text\n"), OTHER.sign("other text\n")
    both = Note("text\n", (*good.signatures, *wrong.signatures))
    assert both.opened([SIGNER.key]) == "text\n"
    with pytest.raises(NoteError, match="is wrong"):
        both.opened([SIGNER.key, OTHER.key])


def test_a_key_survives_writing_and_reading() -> None:
    """A vkey reads back as the key it was; with another id it is refused."""
    text = str(SIGNER.key)
    assert Key.parse(text) == SIGNER.key
    name, key_id, material = text.split("+", 2)
    for wrong in (f"{name}+00000000+{material}", f"+{key_id}+{material}", f"na me+{key_id}+{material}", name):
        with pytest.raises(NoteError):
            Key.parse(wrong)


@pytest.mark.parametrize(
    "lines",
    ["- a QUJDREU=\n", "\u2014 a b QUJDREU=\n", "\u2014 a QUJDRA==\n", "\u2014 a QUJDREV=\n", "\u2014  QUJDREU=\n",
     "\u2014 a+b QUJDREU=\n", "\u2014 a QUJDREU=\n" * 65],
)  # fmt: skip
def test_a_malformed_signature_line_is_refused(lines: str) -> None:
    """A hyphen, an extra word, no bytes after the key id, sloppy base64, an empty name, a plus, 65 lines."""
    with pytest.raises(NoteError):
        parse_signatures(lines)


def test_sixteen_signatures_are_accepted() -> None:
    """Unknown signatures are ignored, and at least sixteen lines are allowed."""
    many = tuple(Signature(f"w{number}", b"abcd", b"x") for number in range(16))
    note = SIGNER.sign("text\n")
    assert parse_note(str(Note("text\n", many + note.signatures))).opened([SIGNER.key]) == "text\n"


def test_a_signer_does_not_show_its_key() -> None:
    """What is printed of a signer is its public key."""
    assert repr(SIGNER) == f"Signer({str(SIGNER.key)!r})"
    assert bytes(range(32)).hex() not in repr(vars(SIGNER))
