"""Purpose files: what is packaged, and every way to get one wrong with file, key and remedy."""

# ruff: noqa: E501  a table is read by its rows

import shutil
from pathlib import Path

import pytest

from policies.errors import BadPolicy
from policies.parties import Kind
from policies.purpose import PACKAGED, DataCategory, Status, UnknownPurpose, load_purposes
from policies.release import Conflict
from tests.policies.world import COUNTS, DEPLOYMENT, ROWS, law

PURPOSES = load_purposes()
STRICT = (DEPLOYMENT / "test-strict-tables.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("was", "becomes", "key", "remedy"),
    [
        ("minimum = 10", "minimum = 4", "release.minimum", "Correct this value"),
        ("minimum = 10", 'minimum = "10"', "release.minimum", "Correct this value"),
        ("minimum = 10", "minimum = 10.5", "release.minimum", "Correct this value"),
        ("minimum = 10", "minimun = 10", "release.minimun", "Did you mean minimum?"),
        ("minimum = 10\n", "", "release.minimum", "Add it"),
        ("minimum = 10", "minimum = 30", "release", "Raise it"),
        ("zeros_are_small = true", "zeros_are_small = false", "release.zeros_are_small", "Correct this value"),
        ("complements = true", "complements = false", "release.complements", "Correct this value"),
        ("days = 1\n", "", "retention.days", "Add it"),
        ("days = 1", "days = -1", "retention.days", "Correct this value"),
        ('[retention]\ndays = 1\nafter = "publication"', "[x]\ndays = 1", "x", "Remove it"),
        ('after = "publication"', 'after = "period"', "file", 'Write after = "publication"'),
        ("approvals = 2", "approvals = 0", "four_eyes.approvals", "Correct this value"),
        ('band = "half"', 'band = "halve"', "release.show.0.band", "Correct this value"),
        ('site = "swv"', 'site = "province"', "release.show.0.site", "Correct this value"),
        ('kinds = ["all"]', "kinds = []", "release.show.0.kinds", "Correct this value"),
        ('method = "dp"', 'method = "rounding"', "release.method.0.method", "Correct this value"),
        ('sectors = ["po"]\nmethod', 'sectors = ["vo"]\nmethod', "release", "Add it under [[release.method]]"),
        ("per_period = 100000", "per_period = 300000", "release.noise", "Lower it"),
        ("per_school_year = 400000", "per_school_year = 2000000", "release.noise", "Lower it"),
        ("per_school_year = 400000", "per_school_year = 399999", "release.noise", "Lower per_period or raise"),
        ("per_release = 100000", "per_release = 100001", "release.noise", "Lower per_release"),
        ("swv = 60", "swv = 61", "release.noise", "See the README"),
        ('status = "in_force"', 'status = "inforce"', "status", "Correct this value"),
        ('status = "in_force"', 'status = "refused"', "file", "Add reason.nl"),
        ('status = "in_force"', 'status = "in_force"\nreason = { nl = "n", en = "e" }', "file", "Remove it"),
        ('recipients = ["swv"]', 'recipients = ["SWV"]', "recipients.0", "Correct this value"),
        ('data = ["protected_tables"]', 'data = ["tables"]', "data.0", "Correct this value"),
        ('data = ["protected_tables"]', 'data = ["protected_tables", "absence_rows"]', "file", "Write data ="),
        ('source = "test-source"', 'source = "no-source"', "legal_basis", "Add it to sources.toml"),
        *(
            ('source = "test-source"', f'source = "test-source"\nparagraph = "{cited}"', "legal_basis.0.paragraph", "Write 5 for § 5")
            for cited in ("§ 5", "5–9", "5 bis, één")
        ),
        ('id = "test-strict-tables"', 'id = "test-other"', "id", "Call the file test-other.toml"),
        ("valid_from = 2025-08-01", "valid_from = 2025-08-01\nvalid_until = 2025-08-01", "file", "See the README"),
        ("valid_from = 2025-08-01", "valid_from = 2025-13-01", "file", "Correct the text"),
        ("valid_from = 2025-08-01", "valid_from = 08:00:00", "valid_from", "Correct this value"),
        ("[four_eyes]", "[four_eyes", "file", "Correct the text"),
    ],
)  # fmt: skip
def test_a_wrong_file_is_refused_with_key_and_remedy(
    tmp_path: Path, was: str, becomes: str, key: str, remedy: str
) -> None:
    """One change to a good file: nothing loads, and the fault names file, key and what to do."""
    assert was in STRICT
    shutil.copy(DEPLOYMENT / "sources.toml", tmp_path)
    (tmp_path / "test-strict-tables.toml").write_text(STRICT.replace(was, becomes, 1), encoding="utf-8")
    with pytest.raises(BadPolicy) as refused:
        load_purposes([tmp_path])
    assert {fault.file for fault in refused.value.faults} == {"test-strict-tables.toml"}
    assert any(fault.where == key and remedy in fault.fix for fault in refused.value.faults)


def test_all_faults_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Two bad files, three faults."""
    (tmp_path / "a.toml").write_text(STRICT.replace("minimum = 10", "minimum = 4").replace("days = 1", "days = -1"))
    (tmp_path / "b.toml").write_text("= ")
    with pytest.raises(BadPolicy) as refused:
        load_purposes([tmp_path])
    assert [(fault.file, fault.where) for fault in refused.value.faults] == [
        ("a.toml", "retention.days"), ("a.toml", "release.minimum"), ("b.toml", "file"),
    ]  # fmt: skip


def test_a_folder_that_is_not_there_is_a_fault(tmp_path: Path) -> None:
    """A mistyped path never means "no purposes"."""
    with pytest.raises(BadPolicy, match="does not exist"):
        load_purposes([tmp_path / "nowhere"])


def test_files_are_read_as_editors_leave_them(tmp_path: Path) -> None:
    """With the mark that Notepad sets before UTF-8, and beside the lock of an editor, which points nowhere."""
    shutil.copy(DEPLOYMENT / "sources.toml", tmp_path)
    (tmp_path / "test-strict-tables.toml").write_text(STRICT, encoding="utf-8-sig")
    (tmp_path / ".#test-strict-tables.toml").symlink_to("somebody@there.1234")
    assert "test-strict-tables" in load_purposes([tmp_path])


@pytest.mark.parametrize(
    ("more", "loads"),
    [
        ("", False),
        ('outside = { nl = "Elders.", en = "Elsewhere." }', True),
        ('status = "refused"\nreason = { nl = "n", en = "e" }', True),
    ],
    ids=["works", "outside", "refused"],
)
def test_a_purpose_of_a_deployment_takes_no_health_data(tmp_path: Path, more: str, loads: bool) -> None:
    """Consents are for the product's one purpose: parents are told of no other that health data pass under it."""
    text = (PACKAGED / "purposes" / "care-with-consent.toml").read_text(encoding="utf-8")
    text = text.replace('id = "care-with-consent"', 'id = "care-doctor"').replace('["youth_health_care"]', '["doctor"]')
    text = text.replace('status = "in_force"', more) if "status" in more else text.replace("flows", f"{more}\nflows")
    (tmp_path / "care-doctor.toml").write_text(text, encoding="utf-8")
    if loads:
        assert "care-doctor" in load_purposes([tmp_path])
    else:
        with pytest.raises(BadPolicy, match=r"care-doctor.toml: data: .*health.*outside"):
            load_purposes([tmp_path])


def test_an_id_may_not_be_used_twice(tmp_path: Path) -> None:
    """A deployment cannot replace a packaged purpose in silence."""
    shutil.copy(PACKAGED / "purposes" / "research.toml", tmp_path)
    with pytest.raises(BadPolicy, match="defined twice"):
        load_purposes([tmp_path])


def test_two_methods_for_one_sector_of_one_collection_are_refused_at_load(tmp_path: Path) -> None:
    """A deployment's purpose with noise on a collection that is released exactly contradicts it."""
    shutil.copy(DEPLOYMENT / "sources.toml", tmp_path)
    text = STRICT.replace('collections = ["test-tables"]', 'collections = ["absence-counts"]')
    (tmp_path / "test-strict-tables.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadPolicy, match=r"sector po has method exact in .* and dp in test-strict-tables"):
        load_purposes([tmp_path])


def test_a_deployment_adds_purposes_without_touching_the_product() -> None:
    """Its own folder brings purposes and their sources."""
    purposes = load_purposes([DEPLOYMENT])
    assert set(purposes) - set(PURPOSES) == {"test-limited", "test-bare-tables", "test-strict-tables"}
    assert purposes.plan(["test-strict-tables"]).publish("po") == [
        {"site": "swv", "subdivision": "total", "band": "half", "kind": ["all"]}
    ]


def another(folder: Path, name: str, like: str, was: str, becomes: str) -> None:
    """A purpose of a deployment's own, like one of the product's but for one word."""
    text = (PACKAGED / "purposes" / f"{like}.toml").read_text(encoding="utf-8")
    text = text.replace(f'id = "{like}"', f'id = "{name}"').replace(was, becomes)
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("days = 30", "days = 30", ""),
        ("days = 30", "days = 31", "attendance-support 31 days after school_year"),
        ("days = 30", "days = 29", "attendance-support 29 days after school_year"),
        ('after = "school_year"', 'after = "receipt"', "attendance-support 30 days after receipt"),
    ],
)
def test_rows_have_one_term_whatever_they_came_for(tmp_path: Path, was: str, becomes: str, told: str) -> None:
    """They stand under one key a school year: who takes them and keeps them longer or shorter does not load."""
    another(tmp_path, "attendance-support", "counting-for-school", was, becomes)
    if told:
        with pytest.raises(BadPolicy, match=f"{told}, counting-for-school 30 days after school_year"):
            load_purposes([tmp_path])
    else:
        assert "attendance-support" in load_purposes([tmp_path])


@pytest.mark.parametrize(
    ("was", "becomes", "told"),
    [
        ("days = 400", "days = 400", ""),
        ("days = 400", "days = 30", "attendance-pilot 30 days after period"),
        ("days = 400", "days = 1000", "attendance-pilot 1000 days after period"),
        ('after = "period"', 'after = "school_year"', "attendance-pilot 400 days after school_year"),
    ],
)
def test_counts_have_one_term_whatever_they_came_for(tmp_path: Path, was: str, becomes: str, told: str) -> None:
    """They go with their period: who takes them and tells parents another term than is kept does not load."""
    another(tmp_path, "attendance-pilot", "statutory-counts", was, becomes)
    if told:
        with pytest.raises(BadPolicy, match=f"counts are kept for more than one term: {told}, statutory-counts 400"):
            load_purposes([tmp_path])
    else:
        assert "attendance-pilot" in load_purposes([tmp_path])


def test_rows_and_counts_are_asked_for_by_two_purposes(tmp_path: Path) -> None:
    """They have each their term, and a purpose says one; the counts of illness of a file of records go with its rows."""
    text = (PACKAGED / "purposes" / "counting-for-school.toml").read_text(encoding="utf-8")
    text = text.replace('id = "counting-for-school"', 'id = "attendance-support"')
    text = text.replace('data = ["absence_rows", ', 'data = ["absence_rows", "absence_counts", ')
    (tmp_path / "attendance-support.toml").write_text(text, encoding="utf-8")
    with pytest.raises(BadPolicy, match=r"attendance-support.toml: .*Make a purpose for each"):
        load_purposes([tmp_path])


def test_the_operator_chooses_a_method_for_a_sector() -> None:
    """For every purpose alike, so that one release keeps one method."""
    purposes = load_purposes(methods={"vo": "dp"})
    plan = purposes.plan(purposes.releasing("absence-counts"))
    assert plan.methods == {"po": "exact", "so": "exact", "vo": "dp", "vso": "exact"}
    assert plan.noise is not None
    assert (plan.noise.per_period, plan.noise.per_school_year) == (125_000, 500_000)


def test_a_method_that_needs_a_budget_is_refused_without_one(tmp_path: Path) -> None:
    """With file and remedy."""
    shutil.copy(DEPLOYMENT / "sources.toml", tmp_path)
    text = STRICT.partition("[release.noise]")[0].replace('method = "dp"', 'method = "exact"')
    (tmp_path / "test-strict-tables.toml").write_text(text, encoding="utf-8")
    assert load_purposes([tmp_path])
    with pytest.raises(BadPolicy, match=r"test-strict-tables.toml: .*method dp needs a budget"):
        load_purposes([tmp_path], {"po": "dp"})


def test_purposes_are_held_against_the_contracts_of_the_gateway() -> None:
    """A collection nobody has, a kind or margins its table has not: they would show nothing, in silence."""
    kinds = {"all", "authorised", "illness", "unauthorised"}
    contracts = {"absence-counts": kinds, "absence-records": frozenset(), "consented-records": frozenset()}
    halved = {"absence-counts"}
    assert not list(PURPOSES.contract_faults(contracts, halved))
    whole = {fault.what for fault in PURPOSES.contract_faults(contracts, ())}
    assert whole == {"no collection of this purpose has margins over its bands"}
    fewer = list(PURPOSES.contract_faults(contracts | {"absence-counts": kinds - {"illness"}}, halved))
    assert {(fault.where, fault.what) for fault in fewer} == {
        ("release.show", "no collection of this purpose has kind illness")
    }
    del contracts["consented-records"]
    assert [fault.file for fault in PURPOSES.contract_faults(contracts, halved)] == ["care-with-consent.toml"]


def test_what_is_switched_off_says_why() -> None:
    """Twelve packaged purposes are undecided or refused, each with a reason in both languages."""
    off = {purpose.id for purpose in PURPOSES.values() if purpose.status.off}
    assert off == {
        "article-11-grounds", "authorised-absence-attendance-officer", "caribbean-netherlands", "doctor-to-swv", "inspection",
        "mbo", "named-absence-swv", "provinces", "research", "resolution-approach", "suspension-counts", "unfunded-schools",
    }  # fmt: skip
    assert all(PURPOSES[key].reason for key in off)


def test_what_works_says_how_long_it_keeps_and_who_decided() -> None:
    """The retention periods of the design."""
    kept = {p.id: (p.retention.days, p.retention.after) for p in PURPOSES.values() if p.retention}
    assert kept["counting-for-school"] == (30, "school_year")
    assert kept["statutory-counts"] == (400, "period")
    assert kept["care-with-consent"] == (0, "consent_end")
    assert all(p.retention or p.status.off or p.outside for p in PURPOSES.values())


def test_tables_are_built_on_the_bill_and_need_the_operators_word() -> None:
    """Every purpose that lets tables out is proposed, not in force."""
    assert {p.status for p in PURPOSES.values() if p.release} == {Status.PROPOSED}


@pytest.mark.parametrize(
    ("collection", "data", "purposes"),
    [
        ("absence-counts", COUNTS, ("statutory-counts",)),
        ("absence-records", ROWS, ("counting-for-school",)),
        ("absence-records", COUNTS, ("statutory-counts",)),
        ("absence-counts", {DataCategory.SUSPENSION_COUNTS}, ("suspension-counts",)),
        ("absence-counts", {DataCategory.ABSENCE_ROWS}, ()),
        ("other", COUNTS, ()),
    ],
)
def test_a_delivery_finds_its_purpose(collection: str, data: set[DataCategory], purposes: tuple[str, ...]) -> None:
    """Collection, sender and data lead to the purpose that takes them."""
    assert PURPOSES.accepting(collection, Kind.SITE, data) == purposes


def test_a_release_finds_its_purposes() -> None:
    """Three purposes share one release; each recipient has its own."""
    assert PURPOSES.releasing("absence-counts") == (
        "absence-insight-gemeente",
        "absence-insight-swv",
        "national-picture",
    )


def test_an_unknown_purpose_is_an_error_without_its_name() -> None:
    """What was asked for is not repeated."""
    with pytest.raises(UnknownPurpose) as unknown:
        PURPOSES["pupil-123456782"]
    assert "123456782" not in str(unknown.value)


def test_a_purpose_without_tables_cannot_be_released() -> None:
    """Counting for the school never becomes a release."""
    with pytest.raises(Conflict, match="counting-for-school lets no table out"):
        PURPOSES.plan(["counting-for-school"])


def test_every_document_is_cited() -> None:
    """Each source of the list is pointed to by a purpose or a rule, each rule and purpose points to one of them."""
    rules = {rule.annotations["source"].partition(" par. ")[0] for rule in law().rules.values()}
    cited = rules | {basis.source for purpose in PURPOSES.values() for basis in purpose.legal_basis}
    assert cited == set(PURPOSES.sources)


def test_parents_are_not_told_that_what_happens_elsewhere_does_not_happen() -> None:
    """Of a flow outside this gateway the sentence for parents is about the gateway, not about the school."""
    elsewhere = [purpose.plain for purpose in PURPOSES.values() if purpose.outside is not None]
    assert elsewhere
    assert all(said.nl.startswith("Deze poort ") and said.en.startswith("This gateway ") for said in elsewhere)
