"""The pupil's number: nine digits that pass the eleven test, and how to recognise one where it must not be.

Two kinds share one space and never collide, because their remainders differ: the citizen service number (BSN,
remainder 0) and the education number (onderwijsnummer, remainder 5) of pupils without one.
"""

import re
from dataclasses import dataclass, field
from enum import StrEnum
from unicodedata import category, normalize

WEIGHTS = (9, 8, 7, 6, 5, 4, 3, 2, -1)
BSN_REMAINDER = 0
EDUCATION_REMAINDER = 5
EDUCATION_PREFIX = "10"

_SEPARATORS = str.maketrans("", "", " .-")
_DIGITS = re.compile(r"[0-9]{8,9}")
_RAW = re.compile(r"([0-9][0-9 .-]{7,13}[0-9])(?:[.,]0{1,2})?")
_PERIOD = re.compile(r"(20[0-9]{2})-(20[0-9]{2})-[1-4]")
_ADDED_ZEROS = re.compile(r"[.,]0{1,2}$")
_WORDS = re.compile(r"[a-z]+")
# What spreadsheets put around a number to keep it text (`="012345678"`, `'012345678`) or to show it as a share.
_AROUND = " =%'\"`\u2018\u2019\u201c\u201d"
_READ_AS = {"Pd": "-", "Cf": ""}  # every dash, and every sign that shows nothing, by its Unicode category

# Words of a heading that announce a person, and phrases; one about an organisation ("naam school") does not.
_PERSONAL = {
    "name": {"firstname", "lastname", "name", "surname", "tussenvoegsel", "voorletters", "voornamen", "voorvoegsel",
             "voorvoegsels"},
    "birth_date": {"birthdate", "birthday", "date of birth", "datum geboorte", "dob", "geb datum", "gebdat", "gebdatum",
                   "geboortedatum", "geboren", "birth date"},
    "e_mail": {"e mail", "email", "emailadres", "mail", "mailadres"},
    "number": {"bsn", "burgerservicenummer", "leerling nr", "leerling nummer", "leerlingnr", "leerlingnummer",
               "onderwijsnummer", "persoonsgebonden nummer", "persoonsgebondennummer", "pgn", "sofinummer", "stamnr",
               "stamnummer"},
}  # fmt: skip
# Whole headings of a number, whose words say nothing within a longer one.
_NUMBERS = {"nieuw nummer", "number new", "number old", "oud nummer", "own", "vorig nummer"}
# A heading that begins so has names below it: `Leerling`, `Leerling/klas`; `uren per leerling` has none.
_PUPILS = {"leerling", "pupil", "student"}
_NAME_ENDING = "naam"
_ORGANISATIONS = ("bestuur", "gemeente", "instelling", "organisatie", "school", "vestiging")


class NumberFlaw(StrEnum):
    """Why a text is no pupil's number; the value is the rule code shown to the school."""

    FORMAT = "NUMBER-FORMAT"
    CHECK = "NUMBER-CHECK"


@dataclass(frozen=True, slots=True)
class Number:
    """A valid number. Its digits stay out of `repr`, so that no log or traceback shows them.

    Attributes:
        digits: nine ASCII digits.
        unusual: an education number (remainder 5) that does not start with 10; worth a warning, not a refusal,
            because no primary source lists the prefixes.
    """

    digits: str = field(repr=False)
    unusual: bool


def remainder(digits: str) -> int:
    """The weighted sum of nine digits modulo 11, weights 9 8 7 6 5 4 3 2 −1."""
    return sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits, strict=True)) % 11


def parse_number(text: str) -> Number | NumberFlaw:
    """Read a number as a school writes it.

    Spaces, dots and hyphens fall away; eight digits get the leading zero that a spreadsheet drops.

    Args:
        text: one cell; only ASCII digits count as digits.

    Returns:
        The number, or what is wrong with it.
    """
    digits = text.translate(_SEPARATORS)
    if not _DIGITS.fullmatch(digits):
        return NumberFlaw.FORMAT
    digits = digits.zfill(9)
    rest = remainder(digits)
    if rest not in (BSN_REMAINDER, EDUCATION_REMAINDER) or digits == "000000000":
        return NumberFlaw.CHECK
    return Number(digits, unusual=rest == EDUCATION_REMAINDER and not digits.startswith(EDUCATION_PREFIX))


def looks_raw(text: str) -> bool:
    """Whether a whole cell or JSON string is nine digits that pass an eleven test.

    Separators are allowed, of every kind and width, the `.0` or `%` that a spreadsheet adds, and the signs by which one
    keeps it text. Nine digits exactly: an eight-digit cell is more often a date or a count than a number without its
    zero. Nor is the code of a period one, such as `2027-2028-2`.
    """
    bare = _bare(text)
    if not _RAW.fullmatch(bare) or _is_period(bare):
        return False
    digits = bare.translate(_SEPARATORS)
    if len(digits) != len(WEIGHTS):
        digits = _ADDED_ZEROS.sub("", bare).translate(_SEPARATORS)
    return len(digits) == len(WEIGHTS) and isinstance(parse_number(digits), Number)


def _bare(text: str) -> str:
    """A cell with plain spaces, dashes and digits, without what a spreadsheet puts around a number."""
    if not text.isascii():
        text = "".join(_READ_AS.get(category(sign), sign) for sign in normalize("NFKC", text))
    return " ".join(text.split()).strip(_AROUND)


def _is_period(text: str) -> bool:
    match = _PERIOD.fullmatch(text)
    return match is not None and int(match[2]) == int(match[1]) + 1


def personal_header(header: str) -> str | None:
    """What a column header announces: `name`, `birth_date`, `e_mail` or `number`; None if nothing personal."""
    words = _WORDS.findall(header.lower())
    spaced = " ".join(words)
    if any(word in spaced for word in _ORGANISATIONS):
        return None
    for kind, phrases in _PERSONAL.items():
        if any(f" {phrase} " in f" {spaced} " for phrase in phrases):
            return kind
    if spaced in _NUMBERS:
        return "number"
    named = _PUPILS.intersection(words[:1]) or any(word.endswith(_NAME_ENDING) for word in words)
    return "name" if named else None
