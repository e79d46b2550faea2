"""Which numbers are numbers, and how one is recognised where it must not be."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymisation.client import CHANGE_FIELDS, known_headings
from pseudonymisation.number import (
    EDUCATION_REMAINDER,
    Number,
    NumberFlaw,
    looks_raw,
    parse_number,
    personal_header,
    remainder,
)

GENERIC = {"number", "van", "naar"}


@pytest.fixture(scope="module")
def vectors(shared: Path) -> dict[str, list[str]]:
    """Made-up Dutch numbers, checked with another implementation."""
    return json.loads((shared / "vectors/pseudonymisation/dutch_numbers.json").read_text())


def with_remainder(prefix: str, wanted: int) -> str | None:
    """Eight digits and the check digit that gives the remainder, if there is one."""
    return next((digits for last in range(10) if remainder(digits := f"{prefix}{last}") == wanted), None)


valid_numbers = (
    st.tuples(st.from_regex("[0-9]{8}", fullmatch=True), st.sampled_from([0, 5]))
    .map(lambda pair: with_remainder(*pair))
    .filter(lambda digits: digits is not None and digits != "000000000")
)


def test_citizen_service_numbers(vectors: dict[str, list[str]]) -> None:
    """Every number of the reference list with remainder 0 is valid and not unusual."""
    assert [parse_number(one) for one in vectors["valid_bsn_remainder_0"]] == [
        Number(one, unusual=False) for one in vectors["valid_bsn_remainder_0"]
    ]


def test_education_numbers(vectors: dict[str, list[str]]) -> None:
    """Remainder 5 with the prefix 10 is valid; without it, valid and unusual."""
    usual, unusual = vectors["valid_onderwijsnummer_remainder_5_prefix_10"], vectors["remainder_5_without_prefix_10"]
    assert all(parse_number(one) == Number(one, unusual=False) for one in usual)
    assert all(parse_number(one) == Number(one, unusual=True) for one in unusual)


def test_invalid_numbers(vectors: dict[str, list[str]]) -> None:
    """Another remainder, or only zeros, fails the check.

    One entry of the reference list, 100252333, is no education number but has remainder 0: by the rule it is a BSN.
    """
    passed = [one for one in vectors["invalid"] if parse_number(one) is not NumberFlaw.CHECK]
    assert passed == ["100252333"]
    assert remainder("100252333") == 0


def test_normal_form(vectors: dict[str, list[str]]) -> None:
    """Spaces, dots and hyphens fall away and eight digits get their zero back; all else is no number."""
    assert all(parse_number(text) == Number(digits, unusual=False) for text, digits in vectors["normalise"])
    assert {parse_number(text) for text in vectors["reject_format"]} == {NumberFlaw.FORMAT}


@pytest.mark.parametrize("text", ["1112223334", "1112223", "111222333.0", "1.11222333E8", "²22222222", "111\t222333"])
def test_traps_of_spreadsheets(text: str) -> None:
    """What a spreadsheet makes of a number is refused, not repaired by guessing."""
    assert parse_number(text) is NumberFlaw.FORMAT


@given(st.from_regex("[0-9]{8}", fullmatch=True))
def test_circulating_snippet_is_not_copied(prefix: str) -> None:
    """An education number may end in 6 to 9, where a snippet that circulates (sum mod 11 = last + 5) refuses it."""
    digits = with_remainder(prefix, EDUCATION_REMAINDER)
    if digits is not None:
        assert isinstance(parse_number(digits), Number)


@given(valid_numbers, st.integers(0, 8), st.integers(1, 9))
def test_one_wrong_digit_never_gives_the_same_kind(digits: str, place: int, shift: int) -> None:
    """Changing one digit changes the remainder: a BSN with a typing error is never another BSN."""
    wrong = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]
    assert remainder(wrong) != remainder(digits)


@given(st.text(alphabet="0123456789 .-", max_size=14))
def test_recognised_exactly_when_valid(text: str) -> None:
    """A cell looks raw if, without its separators, it is nine digits that make a valid number."""
    stripped = text.strip()
    whole = stripped[:1].isdigit() and stripped[-1:].isdigit()
    forms = [stripped, stripped.removesuffix(".0"), stripped.removesuffix(".00")]
    digits = ["".join(filter(str.isdigit, form)) for form in forms]
    assert looks_raw(text) == (whole and any(len(one) == 9 and isinstance(parse_number(one), Number) for one in digits))


@given(valid_numbers)
def test_every_number_is_recognised(digits: str) -> None:
    """However a school writes a number, or its spreadsheet does, a cell with it is recognised."""
    grouped = [f"{digits[:4]}.{digits[4:6]}.{digits[6:]}", f"{digits[:3]} {digits[3:6]} {digits[6:]}"]
    assert all(looks_raw(form) for form in (digits, f" {digits} ", f"{digits}.0", f"{digits},00", *grouped))


@pytest.mark.parametrize(
    "form",
    [
        '="{0}{1}{2}"',
        "={0}{1}{2}",
        "'{0}{1}{2}",
        '"{0}{1}{2}"',
        "\u2019{0}{1}{2}",
        "{0}\u00a0{1}\u00a0{2}",
        "{0}\u202f{1}\u202f{2}",
        "{0}\u2009{1}\u2009{2}",
        "{0}\u2011{1}\u2011{2}",
        "{0}\u2013{1}\u2013{2}",
        "\u00a0{0}{1}{2}\u00a0",
        "\u202d{0}{1}{2}\u202c",
        "{0}\u00ad{1}\u200b{2}",
        "{0}\t{1}\n{2}",
    ],
    ids=ascii,
)
def test_a_number_is_recognised_whatever_stands_around_it(form: str) -> None:
    """As Excel keeps a leading zero, with its apostrophe, and with the spaces and dashes of a word processor."""
    assert looks_raw(form.format("123", "456", "782"))
    assert not looks_raw(form.format("123", "456", "789"))


def test_another_way_to_write_digits_hides_no_number() -> None:
    """Digits of full width read as digits."""
    assert looks_raw("".join(chr(ord(digit) + 0xFEE0) for digit in "123456782"))


@pytest.mark.parametrize("text", ["", "12,50", "00AB00", "2026-2027-1", "GM0344", "lower_years", "x" * 86, "20260801"])
def test_ordinary_cells_are_not_numbers(text: str) -> None:
    """Hours, codes, periods, dates and pseudonyms pass."""
    assert not looks_raw(text)


@pytest.mark.parametrize("quarter", range(1, 5))
def test_no_code_of_a_period_is_a_number(quarter: int) -> None:
    """Of every school year, also where its nine digits pass; grouped otherwise, or of no school year, they still do."""
    assert not [code for first in range(2020, 2099) if looks_raw(code := f"{first}-{first + 1}-{quarter}")]
    assert all(map(looks_raw, ("202720282", "2027.2028.2", "2027 2028 2", "2027-20282", "2027-2022-1")))


def test_digits_stay_out_of_logs() -> None:
    """A number shows no digit in `repr`, the form in which values reach logs and tracebacks."""
    assert "1" not in repr(parse_number("111222333"))


@pytest.mark.parametrize(
    ("header", "kind"),
    [
        ("Naam", "name"),
        ("Naam leerling", "name"),
        ("leerling_naam", "name"),
        ("Achternaam", "name"),
        ("Roepnaam", "name"),
        ("voornaam_2", "name"),
        ("Tussenvoegsel(s)", "name"),
        ("Geb.datum", "birth_date"),
        ("GEBDAT", "birth_date"),
        ("schoolnaam", None),
        ("mailbox", None),
        ("Geboortedatum", "birth_date"),
        ("datum geboorte", "birth_date"),
        ("E-mail ouder", "e_mail"),
        ("emailadres", "e_mail"),
        ("BSN", "number"),
        ("onderwijsnummer", "number"),
        ("persoonsgebondennummer", "number"),
        ("Persoonsgebondennummer (PGN)", "number"),
        ("OWN", "number"),
        ("Oud nummer", "number"),
        ("number_new", "number"),
        ("Leerlingnummer", "number"),
        ("leerling-nr.", "number"),
        ("Stamnr", "number"),
        ("Stamnummer", "number"),
        ("Leerling", "name"),
        ("leerling_2", "name"),
        ("Leerling (achternaam, voornaam)", "name"),
        ("Leerling/klas", "name"),
        ("Leerling\u00a0", "name"),
        ("Leerlingnaam", "name"),
        ("Pupil", "name"),
        ("Student", "name"),
        ("Voorvoegsels", "name"),
        ("leerlingen", None),
        ("aantal leerlingen", None),
        ("uren per leerling", None),
        ("pupils", None),
        ("your own counts", None),
        ("kind", None),
        ("van", None),
        ("Naam school", None),
        ("vestiging_naam", None),
        ("pseudonym", None),
        ("hours_scheduled", None),
        ("subdivision", None),
    ],
)
def test_headings_that_announce_a_person(header: str, kind: str | None) -> None:
    """Headings for name, birth date, e-mail and number are recognised; those about an organisation are not."""
    assert personal_header(header) == kind


@pytest.mark.parametrize("field", ["number", *CHANGE_FIELDS])
def test_what_the_school_reads_as_a_number_announces_one(field: str) -> None:
    """Every heading under which the client looks for a pupil's number, but those that announce anything at all."""
    assert {each for each in known_headings(None, [field]) if personal_header(each) != "number"} <= GENERIC
