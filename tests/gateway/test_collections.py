"""What a contract may say, and that the order rules of every contract that loads are all there are."""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from gateway.collections import CONTRACTS, CollectionError, Contract, Cumulative, load_contracts

CONTRACT = load_contracts()["absence-counts"]
COUNTS = (CONTRACTS / "absence-counts.toml").read_text(encoding="utf-8").replace('"absence-counts"', '"own-counts"')
RECORDS = (CONTRACTS / "absence-records.toml").read_text(encoding="utf-8").replace('"absence-records"', '"own-records"')
BANDS = COUNTS[COUNTS.index("upper = ") :]
KINDS = COUNTS[COUNTS.index("members") : COUNTS.index("# Upper")]
SCHEDULED = 10_000


def hours(authorised: int, illness: int, unauthorised: int) -> dict[str, int]:
    """Hours of one pupil by kind, in 1/10,000 of the schedule."""
    return {
        "authorised": authorised, "illness": illness, "unauthorised": unauthorised, "all": authorised + unauthorised,
    }  # fmt: skip


def counts_of(contract: Contract) -> list[Cumulative]:
    """The cumulative counts of a contract."""
    return [(kind, contract.bands.above(t)) for kind in contract.kinds.members for t in contract.bands.thresholds]


def state(contract: Contract, missed: dict[str, int]) -> tuple[int, ...]:
    """One pupil as a line of 0 and 1 per cumulative count."""
    return tuple(int(contract.band_of(missed[kind], SCHEDULED) in bands) for kind, bands in counts_of(contract))


def states(contract: Contract) -> np.ndarray:
    """Everything a pupil can be."""
    bounds = [0, *(100 * t for t in contract.bands.thresholds)]
    grid = sorted({max(0, one + other + step) for one in bounds for other in bounds for step in (-2, -1, 0, 1, 2)})
    others = grid if "illness" in contract.kinds.members else [0]
    seen = {
        state(contract, hours(a, i, u)) for a, i, u in product(grid, others, grid) if i <= a and a + u <= SCHEDULED
    }  # fmt: skip
    return np.array(sorted(seen))


def line(contract: Contract, smaller: Sequence[Cumulative], larger: Sequence[Cumulative]) -> tuple[int, ...]:
    """Coefficients of Σ smaller − Σ larger."""
    return tuple(smaller.count(count) - larger.count(count) for count in counts_of(contract))


def trivial(contract: Contract) -> Iterator[tuple[int, ...]]:
    """What holds of every table: no band has a negative count."""
    for kind in contract.kinds.members:
        nested = [(kind, contract.bands.above(t)) for t in contract.bands.thresholds]
        yield from (line(contract, (inner,), (outer,)) for outer, inner in pairwise(nested))
        yield line(contract, (), (nested[-1],))
        yield line(contract, (nested[0],), ())  # at most everybody


def own(folder: Path, *texts: str) -> Contract:
    """The contract of the first file of a deployment's own folder."""
    for number, text in enumerate(texts):
        (folder / f"own{number}.toml").write_text(text, encoding="utf-8")
    return load_contracts(folder)[texts[0].split('"')[1]]


@pytest.mark.parametrize("code", ["=1+1", "+1", "-1", "@sum", "a;b", 'a"b', "a\nb", "\tx", ""])
@pytest.mark.parametrize("place", ["lower_years", "illness", "10to20", "above10", "vmbo", "vso"])
def test_no_code_of_a_contract_can_run_in_a_spreadsheet(code: str, place: str, tmp_path: Path) -> None:
    """Codes reach the files of every recipient: a contract with a formula, separator or line end in one is refused."""
    assert own(tmp_path, COUNTS).kinds == CONTRACT.kinds
    quoted = json.dumps(code)
    with pytest.raises(CollectionError, match="should match pattern"):
        own(tmp_path, re.sub(rf'(?m)"?\b{place}\b"?', lambda _: quoted, COUNTS))


@pytest.mark.parametrize("bounds", [(1,), (49,), (5, 10), (24, 48), (5, 10, 20), (12, 24, 48)])
@pytest.mark.parametrize("kinds", [KINDS, KINDS.replace('"illness", ', "").replace('illness = "authorised"', "")])
def test_every_facet_is_a_rule_and_every_rule_a_facet(kinds: str, bounds: tuple[int, ...], tmp_path: Path) -> None:
    """The convex hull of all pupils has exactly the order rules and the signs as its facets."""
    upper = ", ".join(f"{name} = {bound}" for name, bound in zip("abcd", (*bounds, 100), strict=False))
    contract = own(tmp_path, COUNTS.replace(BANDS, f"upper = {{ {upper} }}").replace(KINDS, kinds))
    facets = ConvexHull(states(contract)).equations[:, :-1]
    found = {tuple(np.rint(row / np.abs(row[np.abs(row) > 1e-9]).min()).astype(int)) for row in facets}
    rules = {line(contract, order.smaller, order.larger) for order in contract.orders}
    assert rules <= found
    assert found - rules <= set(trivial(contract))


@given(st.lists(st.tuples(*[st.integers(0, 5_000)] * 3), max_size=40))
def test_rules_hold_for_any_pupils(pupils: list[tuple[int, int, int]]) -> None:
    """No group of pupils breaks a rule."""
    drawn = [state(CONTRACT, hours(max(a, i), min(a, i), u)) for a, i, u in pupils]
    totals = np.array(drawn).reshape(-1, len(counts_of(CONTRACT))).sum(axis=0)
    for order in CONTRACT.orders:
        assert np.dot(line(CONTRACT, order.smaller, order.larger), totals) <= 0


UPPER, MARGINS = "upto5 = 5, 5to10 = 10, 10to20 = 20, above20 = 100", 'above10 = ["10to20", "above20"]'
SUM, PART = 'all = ["authorised", "unauthorised"]', 'illness = "authorised"'
MEMBERS, DATA = '"authorised", "illness", "unauthorised", "all"', 'data = ["absence_counts", "illness_counts"]'


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        # What readers know of kinds and bands that no order rule says: hidden counts could be derived.
        (UPPER, "upto5 = 5, 5to10 = 15, 10to20 = 20, above20 = 100", "bounds that double"),
        (UPPER, "upto5 = 0, 5to10 = 10, 10to20 = 20, above20 = 100", "bounds that double"),
        (BANDS, "upper = { a = 3, b = 6, c = 12, d = 24, e = 100 }", "bounds that double"),
        (UPPER, "upto5 = 15, 5to10 = 30, 10to20 = 60, above20 = 100", "more than 60 per cent in each of 2"),
        (SUM, 'all = ["authorised", "unauthorised", "illness"]', "around illness are not known"),
        (SUM, 'all = ["authorised"]', "around all are not known"),
        (SUM, "all = []", "around all are not known"),
        (SUM, 'all = ["authorised", "unauthorised"], authorised = ["illness", "leave"]', "none of"),
        (PART, 'illness = "all"', "around all are not known"),
        (PART, 'illness = "authorised", all = "illness"', "part of itself"),
        (PART, "", "nothing is said"),
        # A total that is of those of whom something is so is itself what has to be hidden.
        ('totals = "public"', "", "the total of every row is published"),
        # Names of nothing, or of two things.
        (PART, 'illness = "authorized"', "authorized: none of"),
        (SUM, 'all = ["authorised", "unauthorized"]', "unauthorized: none of"),
        (MEMBERS, f'{MEMBERS}, "all"', "all stands twice"),
        ("above20", "total", "total stands twice"),
        ("upto10", "half", "half stands twice"),
        ("above10", "above20", "above20 stands twice"),
        ("pro", "total", "total stands twice"),
        ("vso = ", "vsx = ", "vsx: none of"),
        # Bands and margins of which figures would be wrong.
        (UPPER, "upto5 = 10, 5to10 = 5, 10to20 = 20, above20 = 100", "the bounds of upper rise"),
        (UPPER, "upto5 = 5, 5to10 = 10, 10to20 = 20, above20 = 90", "the bounds of upper rise"),
        (MARGINS, 'above5 = ["5to10", "10to20", "above20"]', "in one only"),
        (MARGINS, 'above10 = ["10to20"]', "in one only"),
        (MARGINS, 'above10 = ["10to20", "above30"]', "in one only"),
        # Data that are not what the contract says they are.
        (DATA, 'data = ["absence_counts"]', 'add "illness_counts"'),
        (DATA, 'data = ["absence_counts", "illness_counts", "absence_rows"]', "absence_rows: none of"),
        (DATA, 'data = ["absence_counts", "illness_counts", "illness_hours"]', "illness_hours: none of"),
        # What pages cannot show.
        (', en = "Absence counts"', "", "title needs nl and en"),
        ('"pro", ', ", ".join(f'"c{number}"' for number in range(30)) + ", ", "make 1 to 400 cells"),
        ('vso = ["undivided"]', "vso = []", "make 1 to 400 cells"),
    ],
)
def test_a_contract_that_is_not_protected_in_full_is_refused(was: str, becomes: str, why: str, tmp_path: Path) -> None:
    """A contract loads only where all that readers know of its table is known here too; the refusal names the file."""
    assert was in COUNTS
    with pytest.raises(CollectionError, match=rf"own0\.toml.*{why}"):
        own(tmp_path, COUNTS.replace(was, becomes))


@pytest.mark.parametrize(
    ("members", "relations"),
    [
        ('"a", "b"', "apart = true"),
        ('"a", "b", "c"', 'part_of = { a = "b", b = "c" }'),
        ('"a", "b", "c", "d"', 'sum_of = { c = ["a", "b"] }\npart_of = { c = "d" }'),
        ('"a", "b", "c", "d", "e", "f"', 'sum_of = { c = ["a", "b"], f = ["d", "e"] }\napart = true'),
    ],
)
def test_kinds_whose_order_rules_are_known_load(members: str, relations: str, tmp_path: Path) -> None:
    """Chains, one sum of two in each, and beside one another kinds of which the author says that nothing is known."""
    contract = own(tmp_path, COUNTS.replace(KINDS, f"members = [{members}]\n{relations}\n\n"))
    assert len(contract.orders) == len(contract.kinds.pairs) * 3 + len(contract.kinds.sum_of) * 5


@pytest.mark.parametrize(
    ("members", "relations", "why"),
    [
        ('"a", "b"', "", "nothing is said"),
        ('"a", "b", "c"', 'part_of = { a = "b" }', "nothing is said"),
        ('"a", "b", "c"', 'part_of = { a = "c", b = "c" }', "around c are not known"),
        ('"a", "b", "c", "d"', 'sum_of = { c = ["a", "b"], d = ["a", "b"] }', "around a are not known"),
        ('"a", "b", "c", "d", "e"', 'sum_of = { c = ["a", "b"], e = ["c", "d"] }', "of c are not known"),
        ('"a", "b", "c", "d", "e"', 'sum_of = { e = ["c", "d"], c = ["a", "b"] }', "of c are not known"),
    ],
)
def test_kinds_whose_order_rules_are_not_known_are_refused(
    members: str, relations: str, why: str, tmp_path: Path
) -> None:
    """Two parts that may overlap or not, a part of two sums, a sum of sums, and kinds about which nothing is said."""
    with pytest.raises(CollectionError, match=why):
        own(tmp_path, COUNTS.replace(KINDS, f"members = [{members}]\n{relations}\n\n"))


@pytest.mark.parametrize(
    ("was", "becomes", "why"),
    [
        ('"absence_rows", ', "", 'add "absence_rows"'),
        (', "illness_counts"]', "]", 'add "illness_counts"'),
        ('"absence_rows", ', '"absence_rows", "illness_hours", ', "illness_hours: none of"),
        ("hours_authorised", "hours_ill", "hours_ill would be the health of one pupil"),
        ("hours_scheduled", "ziekte_uren", "ziekte_uren would be the health of one pupil"),
        ("{ authorised", '{ illness = "hours_a", authorised', "illness stands twice"),
        ("authorised = ", "leave = ", "each kind of the table"),
        ("sent_as_counts = .*", "", "each kind of the table"),
        ("sent_as_counts = {", 'sent_as_counts = { all = "all_counts",', "each kind of the table"),
        ("hours_unauthorised", "hours_authorised", "hours_authorised stands twice"),
        ("hours_scheduled", "pseudonym", "pseudonym stands twice"),
        (r"\[records\]", '[subdivisions]\npo = ["young"]\n[records]', "counted as another"),
        ('counted_as = "own-counts"', 'counted_as = "own-records"', "counted as another"),
    ],
)
def test_rows_of_pupils_come_as_what_they_are(was: str, becomes: str, why: str, tmp_path: Path) -> None:
    """Rows say that they are rows, hold no hours of illness, and fill each kind of their table once."""
    records = RECORDS.replace('"absence-counts"', '"own-counts"')
    assert own(tmp_path, records, COUNTS).table == "own-counts"
    with pytest.raises(CollectionError, match=why):
        own(tmp_path, re.sub(was, becomes, records), COUNTS)


def test_hours_that_are_part_of_other_hours_are_refused(tmp_path: Path) -> None:
    """Columns of hours are added up against the schedule: one inside another would count twice."""
    names = {"illness": "leave", "all": "total_hours"}
    counts = re.sub(r"\b(illness|all)\b", lambda found: names[found[0]], COUNTS)
    hours_too = 'hours = { leave = "hours_leave", '
    records = re.sub("sent_as_counts.*", "", RECORDS).replace('"absence-counts"', '"own-counts"')
    with pytest.raises(CollectionError, match="stand beside one another"):
        own(tmp_path, records.replace("hours = { ", hours_too), counts)


@pytest.mark.parametrize(("name", "loaded"), [("own.toml", 1), (".#own.toml", 0)])
def test_files_are_read_as_people_and_editors_leave_them(name: str, loaded: int, tmp_path: Path) -> None:
    """With the mark of UTF-8 that Windows writes a contract is one; an editor's own file beside it is none."""
    (tmp_path / name).write_bytes(COUNTS.encode("utf-8-sig"))
    assert len(load_contracts(tmp_path)) == len(load_contracts()) + loaded


@pytest.mark.parametrize(("raw", "said"), [(b"title = '\xc9\xc9n'", r"own\.toml is not UTF-8"), (b"id = ", "is wrong")])
def test_a_file_that_cannot_be_read_is_named(raw: bytes, said: str, tmp_path: Path) -> None:
    """Another encoding, or what is no TOML, is told with the name of the file."""
    (tmp_path / "own.toml").write_bytes(raw)
    with pytest.raises(CollectionError, match=said):
        load_contracts(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A slip in `collections` of the settings is told, not taken for a folder without contracts."""
    with pytest.raises(CollectionError, match="nowhere is not there"):
        load_contracts(tmp_path / "nowhere")
