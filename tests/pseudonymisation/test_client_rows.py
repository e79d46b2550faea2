"""From the cells of a school's export to checked rows."""

import tomllib
from collections.abc import Sequence
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pseudonymisation.client.mapping import FIELDS, ColumnMap, read_map
from pseudonymisation.client.messages import Refusal
from pseudonymisation.client.rows import Checked, check_rows, hundredths
from tests.pseudonymisation.world import HEADER, export_rows, numbers

GOOD = ("111222333", "onderbouw", "200", "12,5", "3", "1.25")
KNOWN = tomllib.loads((files("pseudonymisation.client") / "columns.toml").read_text("utf-8"))


def check(
    *rows: Sequence[str],
    header: Sequence[str] = HEADER,
    chosen: ColumnMap | None = None,
    offered: Sequence[str] | None = None,
) -> Checked:
    """Check rows that stand from row 2 on."""
    numbered = [(index + 2, row) for index, row in enumerate(rows)]
    return check_rows(header, numbered, chosen=chosen or ColumnMap(), offered=offered)


def faults(checked: Checked) -> list[tuple[int, str, str]]:
    """Row, column and rule of each fault."""
    return [(fault.row, fault.column, fault.rule) for fault in checked.faults]


def test_a_good_row_is_read_in_hundredths() -> None:
    """Number, subdivision and hours as integers of 1/100 hour."""
    (pupil,) = check(GOOD).pupils
    assert pupil.number.digits == "111222333"
    assert (pupil.subdivision, pupil.scheduled, pupil.authorised, pupil.illness, pupil.unauthorised) == (
        "lower_years", 20_000, 1_250, 300, 125,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        (0, "", (2, "BSN", "CELL-EMPTY")),
        (0, "1112223", (2, "BSN", "NUMBER-FORMAT")),
        (0, "111222334", (2, "BSN", "NUMBER-CHECK")),
        (1, "", (2, "Bouw", "CELL-EMPTY")),
        (1, "groep 3", (2, "Bouw", "SUBDIVISION")),
        (2, "", (2, "Roosteruren", "CELL-EMPTY")),
        (2, "0", (2, "Roosteruren", "HOURS-SCHEDULED")),
        (2, "13", (2, "Roosteruren", "HOURS-SUM")),
        (3, "1,255", (2, "Geoorloofd", "HOURS-FORMAT")),
        (3, "1.000,5", (2, "Geoorloofd", "HOURS-FORMAT")),
        (3, "-1", (2, "Geoorloofd", "HOURS-FORMAT")),
        (3, "twaalf", (2, "Geoorloofd", "HOURS-FORMAT")),
        (2, "10000,01", (2, "Roosteruren", "HOURS-LARGE")),
        (4, "12,51", (2, "Waarvan ziekte", "HOURS-ILLNESS")),
        (5, "½", (2, "Ongeoorloofd", "HOURS-FORMAT")),
        (5, "1e2", (2, "Ongeoorloofd", "HOURS-FORMAT")),
    ],
)
def test_each_fault_has_its_rule(column: int, value: str, fault: tuple[int, str, str]) -> None:
    """One wrong cell gives one fault, at its row and column, and no row."""
    row = [*GOOD[:column], value, *GOOD[column + 1 :]]
    checked = check(row)
    assert faults(checked) == [fault]


def test_all_faults_at_once() -> None:
    """A file with many faults is told all of them in one go."""
    bad = ("1", "x", "", "a", "b", "c")
    assert len(check(bad, GOOD, bad).faults) == 12


def test_a_pupil_stands_in_the_file_once() -> None:
    """The second row of a pupil points to the first, whatever way the number is written."""
    checked = check(GOOD, ("1112.22.333", *GOOD[1:]))
    assert faults(checked) == [(3, "BSN", "NUMBER-TWICE")]
    assert "2" in checked.faults[0].nl


def test_the_exact_sum_is_allowed() -> None:
    """Authorised plus unauthorised may be all scheduled hours, and illness all authorised hours."""
    assert check(("111222333", "onderbouw", "10,01", "10", "10,00", "0,01")).faults == ()


def test_unusual_education_numbers_are_a_warning() -> None:
    """An education number without the prefix 10 is used, and said."""
    checked = check(("343196895", *GOOD[1:]))
    assert [fault.rule for fault in checked.warnings] == ["NUMBER-UNUSUAL"]
    assert len(checked.pupils) == 1


def test_empty_rows_are_skipped() -> None:
    """Blank lines that a spreadsheet leaves are no pupils; short rows miss their last cells."""
    assert len(check(GOOD, ("", " ", ""), ()).pupils) == 1
    assert faults(check(GOOD[:5])) == [(2, "Ongeoorloofd", "CELL-EMPTY")]


def test_a_row_with_more_cells_than_the_heading_is_not_read() -> None:
    """A decimal comma without quotes in a file of commas shifts what follows; empty cells at the end shift nothing."""
    shifted = ("111222333", "onderbouw", "200", "12", "5", "3", "1")
    assert faults(check(shifted)) == [(2, "", "ROW-CELLS")]
    assert check((*GOOD, "", " ")).faults == ()


@pytest.mark.parametrize("heading", ["Ziekteverzuim %", "ziekteverzuim (%)", "Ziekte\N{FULLWIDTH PERCENT SIGN}"])
def test_a_column_of_percentages_is_no_column_of_hours(heading: str) -> None:
    """It is missing, unless the school's own map names it with its sign."""
    header = [*HEADER[:4], heading, HEADER[5]]
    assert [fault.rule for fault in check(GOOD, header=header).faults] == ["COLUMN-MISSING"]
    for named, rules in ((heading, []), ("Ziekteverzuim", ["COLUMN-MISSING"])):
        chosen = ColumnMap(columns={"hours_illness": named})
        assert [fault.rule for fault in check(GOOD, header=header, chosen=chosen).faults] == rules


def test_a_file_without_pupils_is_refused() -> None:
    """Only a heading, or only blank lines, is no delivery."""
    assert faults(check()) == faults(check(("",))) == [(0, "", "FILE-EMPTY")]


def test_a_file_that_is_too_long_is_refused() -> None:
    """Beyond 50,000 rows reading stops."""
    rows = ((index + 2, GOOD) for index in range(10**9))
    assert [fault.rule for fault in check_rows(HEADER, rows, chosen=ColumnMap(), offered=None).faults] == ["FILE-LONG"]


def test_only_offered_subdivisions_are_accepted() -> None:
    """If the subdivisions of the site are known, another one is a fault."""
    assert check(GOOD, offered=["lower_years"]).faults == ()
    assert faults(check(GOOD, offered=["vmbo"])) == [(2, "Bouw", "SUBDIVISION")]


@pytest.mark.parametrize("field", FIELDS)
def test_every_synonym_is_found(field: str) -> None:
    """Each known heading of a field works, in capitals and with other signs."""
    at = FIELDS.index(field)
    for heading in KNOWN["columns"][field]:
        for form in (heading, heading.upper(), heading.replace(" ", "_"), f" {heading} "):
            assert check(GOOD, header=[*HEADER[:at], form, *HEADER[at + 1 :]]).faults == ()


def test_no_synonym_means_two_things() -> None:
    """No heading belongs to two fields, and no value to two subdivisions."""
    for table in KNOWN.values():
        plain = ["".join(filter(str.isalnum, word.casefold())) for words in table.values() for word in set(words)]
        doubled = {word for word in plain if plain.count(word) > 1}
        fields = {
            word: [
                name
                for name, words in table.items()
                if word in {"".join(filter(str.isalnum, w.casefold())) for w in words}
            ]
            for word in doubled
        }
        assert all(len(names) == 1 for names in fields.values())


@pytest.mark.parametrize("field", FIELDS)
def test_a_missing_or_doubled_column_is_one_fault(field: str) -> None:
    """Without the column, or with two of them, nothing is read; the fault names the wanted heading."""
    at = FIELDS.index(field)
    without = [*HEADER[:at], "iets anders", *HEADER[at + 1 :]]
    assert [(row, rule) for row, _, rule in faults(check(GOOD, header=without))] == [(1, "COLUMN-MISSING")]
    doubled = [*HEADER, HEADER[at]]
    assert [(row, rule) for row, _, rule in faults(check((*GOOD, ""), header=doubled))] == [(1, "COLUMN-TWICE")]


def test_two_kinds_of_number_may_stand_side_by_side() -> None:
    """A file with BSN and education number takes the one that is filled."""
    header = (*HEADER, "Onderwijsnummer")
    checked = check((*GOOD, ""), ("", *GOOD[1:], "101222331"), header=header)
    assert [pupil.number.digits for pupil in checked.pupils] == ["111222333", "101222331"]


def test_a_file_without_headings_shows_no_pupil() -> None:
    """If the first row is a pupil, the faults say what is missing and nothing of what is there."""
    checked = check(GOOD, header=("111222333", "Jansen", "200", "1", "1", "1"))
    assert "111222333" not in repr(checked.faults)
    assert "Jansen" not in repr(checked.faults)


def test_other_columns_are_not_read() -> None:
    """Names and birth dates in an export are ignored: they are in no result."""
    checked = check((*GOOD, "Jansen", "2015-01-01"), header=(*HEADER, "Naam", "Geboortedatum"))
    assert "Jansen" not in repr(checked)


@given(st.lists(st.text(max_size=12), min_size=6, max_size=6))
def test_no_cell_is_echoed(cells: list[str]) -> None:
    """Whatever stands in a row, a fault says only row, column, rule and the fixed text."""
    clean = check(*[["x"] * 6]).faults
    texts = {(fault.rule): fault.nl for fault in clean}
    for fault in check(cells).faults:
        assert fault.nl == texts.get(fault.rule, fault.nl)
        assert fault.column in (*HEADER, "")


@given(st.integers(0, 99_999_999))
def test_hours_are_exact(value: int) -> None:
    """Every number of hours with two decimals is read exactly, with comma and with point."""
    for sign in ".,":
        assert hundredths(f"{value // 100}{sign}{value % 100:02}") == value


@given(st.text(max_size=8))
def test_other_text_is_no_hours(text: str) -> None:
    """Anything else is None, never an exception and never a guess."""
    hours = hundredths(text)
    assert hours is None or float(text.replace(",", ".")) == pytest.approx(hours / 100)


def test_a_map_adds_headings_values_and_a_fixed_subdivision() -> None:
    """`--map` points to a column, translates a value, and fixes the subdivision of a site that has one."""
    chosen = read_map('[columns]\nnumber = "Id"\n[subdivisions]\n"Groep 3" = "lower_years"\n')
    assert isinstance(chosen, ColumnMap)
    assert check(("111222333", "groep 3", *GOOD[2:]), header=("ID", *HEADER[1:]), chosen=chosen).faults == ()
    fixed = read_map('[fixed]\nsubdivision = "undivided"\n')
    assert isinstance(fixed, ColumnMap)
    (pupil,) = check((GOOD[0], *GOOD[2:]), header=(HEADER[0], *HEADER[2:]), chosen=fixed).pupils
    assert pupil.subdivision == "undivided"


def test_a_map_replaces_the_known_headings_of_its_field() -> None:
    """With a chosen column for the number, a column called BSN is not read."""
    chosen = ColumnMap(columns={"number": "Id"})
    checked = check(("zzz", *GOOD[1:], "111222333"), header=(*HEADER, "Id"), chosen=chosen)
    assert checked.faults == ()


@pytest.mark.parametrize(
    "text", ["[columns", "[columns]\nname = 'x'", "[other]", "[columns]\nnumber = 1", "[fixed]\nnumber = 'x'", "x = 1"]
)
def test_a_map_of_another_form_is_refused(text: str) -> None:
    """A typing error in the file is said, not ignored."""
    outcome = read_map(text)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "map-unreadable"


@pytest.mark.parametrize(
    "text",
    [
        '[subdivisions]\n"-" = "undivided"',
        '[subdivisions]\n"" = "undivided"',
        '[subdivisions]\n"Groep 3" = "lower_years"\n"groep-3" = "upper_years"',
        '[columns]\nnumber = "#"',
        '[fixed]\nsubdivision = ""',
    ],
)
def test_a_map_that_can_be_read_in_two_ways_is_refused(text: str) -> None:
    """A key of signs only would make an empty cell valid; of two keys that read alike one would not be heard."""
    outcome = read_map(text)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "map-words"


@pytest.mark.parametrize("code", ["onderbouw", "Lower_years", "lower-years", ""])
def test_a_map_names_codes_that_exist(code: str) -> None:
    """What a value is to mean is one of the codes, which are said; the gateway would refuse each row of another."""
    outcome = read_map(f'[subdivisions]\n"Groep 3" = "{code}"')
    assert isinstance(outcome, Refusal)
    assert outcome.code == "map-codes"
    assert ", ".join(KNOWN["subdivisions"]) in outcome.nl


def test_keys_of_a_map_that_read_alike_may_mean_the_same() -> None:
    """The same value written in two ways, with one code."""
    assert isinstance(read_map('[subdivisions]\n"Groep 3" = "lower_years"\n"groep-3" = "lower_years"'), ColumnMap)


@pytest.mark.parametrize(("cell", "rule"), [("", "CELL-EMPTY"), ("???", "SUBDIVISION")])
def test_an_empty_cell_is_no_subdivision(cell: str, rule: str) -> None:
    """Nothing, or signs only, is a fault, whatever a map says."""
    chosen = ColumnMap(subdivisions={"-": "undivided"})
    (wrong,) = check((GOOD[0], cell, *GOOD[2:]), chosen=chosen).faults
    assert wrong.rule == rule


def test_a_whole_school_is_read() -> None:
    """Every row of an ordinary export passes, in order."""
    digits = numbers(300)
    checked = check_rows(HEADER, export_rows(digits), chosen=ColumnMap(), offered=None)
    assert checked.faults == ()
    assert [pupil.number.digits for pupil in checked.pupils] == digits
