"""The engine: what it refuses to start with, and that it permits only on an answer without any error."""

# ruff: noqa: E501  a table is read by its rows

import datetime as dt
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from policies.decision import Deny, Permit, Reason
from policies.engine import Engine
from policies.errors import BadPolicy, PolicyError
from policies.parties import Kind
from policies.purpose import PACKAGED, DataCategory, InForce
from policies.question import Action, Request
from policies.things import OwnTable, WrongQuestion
from tests.policies.world import CALLERS, DELIVERY, READY, RECORD, SITE, SLICE, TWO, law, noon

GOOD = """@id("a-rule")
@legal_basis("AVG art. 5")
@legal_basis_en("GDPR art. 5")
@source("avg par. 5")
@status("in_force")
@explanation("Een regel.")
@explanation_en("A rule.")
permit (principal, action == Action::"read-own-table", resource)
when { principal.party == resource.party };
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The packaged law in a place where it can be damaged, with `extra.cedar` as a last file of rules."""
    for name in ("schema.cedarschema", "vocabulary.toml", "dpia.toml"):
        shutil.copy(PACKAGED / name, tmp_path)
    shutil.copytree(PACKAGED / "rules", tmp_path / "rules")
    return tmp_path


def test_the_packaged_law_loads_and_has_a_version() -> None:
    """Sixty-four hexadecimal digits, and a rule for every action but those that never happen."""
    engine = Engine.load()
    assert len(engine.version.sha256) == 64
    assert engine.version.id == "verzuimpoort"
    allowed = {a for a in Action if any(r.effect == "permit" and r.applies_to(a) for r in engine.rules.values())}
    assert set(Action) - allowed == {Action.REQUEST_DATA, Action.SEND_DATA}


def test_a_good_rule_more_is_loaded(folder: Path) -> None:
    """The damage below is what makes the difference."""
    (folder / "rules/extra.cedar").write_text(GOOD)
    assert "a-rule" in Engine.load(folder=folder).rules


def edited(was: str, becomes: str) -> Callable[[str], str]:
    """The good rule with one change."""
    assert was in GOOD
    return lambda text: text.replace(was, becomes)


@pytest.mark.parametrize(
    ("damage", "line", "what"),
    [
        (edited("when {", "whn {"), 2, "invalid policy condition"),
        (edited("};", "}"), 2, "unexpected end"),
        (edited("principal.party ==", "principal.prty =="), 2, "`prty`"),
        (edited("principal.party ==", "principal.funded =="), 2, "not compatible"),
        (edited('Action::"read-own-table"', 'Action::"read-own-tabel"'), 2, "unrecognized action"),
        (edited("when { principal.party == resource.party }", 'when { principal == Caller::"caller" }'), 2, "reads no fact"),
        (edited("when { principal.party == resource.party }", "when { true }"), 2, "reads no fact"),
        (edited("(principal,", '(principal == Caller::"caller",'), 2, "names a principal or resource"),
        (edited('@id("a-rule")\n', ""), 2, "@id is missing"),
        (edited('@source("avg par. 5")\n', ""), 2, "@source is missing"),
        (edited('@legal_basis("AVG art. 5")', '@legal_basis("")'), 2, "@legal_basis is missing or empty"),
        (edited('@legal_basis_en("GDPR art. 5")\n', ""), 2, "@legal_basis_en is missing or empty"),
        (edited('@status("in_force")', '@status("inforce")'), 2, "@status is inforce"),
        (edited('@status("in_force")', '@status("undecided")'), 2, "a permit with status undecided"),
        (edited('@status("in_force")', '@status("refused")'), 2, "a permit with status refused"),
        (edited("avg par. 5", "agv par. 5"), 2, "agv, which is not in sources.toml"),
        (edited("a-rule", "A rule"), 2, "lower-case words"),
        (edited("a-rule", "law-rule"), 2, None),
        (edited("a-rule", "period-open"), 2, "a second rule period-open"),
        (edited('@id("a-rule")', '@id("a-rule")\n@conceals("yes")'), 2, "@conceals on a permit"),
        (edited('@id("a-rule")', '@id("a-rule")\n@conceals("no")'), 2, "@conceals is no"),
        (edited("principal.party == resource.party", "[].contains(principal.party)"), 2, "a set of nothing"),
        (edited('@id("a-rule")', '@id("a-rule")\n@obliges("minimun")'), 2, "@obliges names minimun"),
        (edited('@id("a-rule")', '@id("a-rule")\n@motto("x")'), 2, "unknown annotation @motto"),
        (edited("principal.party == resource.party", 'principal.party like "00*"'), 2, "no sentence for the construction like"),
        (edited("permit (principal", "permit (principal == ?principal"), 2, "not one whole rule"),
    ],
)  # fmt: skip
def test_a_wrong_rule_stops_the_start_with_file_and_line(
    folder: Path, damage: Callable[[str], str], line: int, what: str | None
) -> None:
    """One change to a good rule; the fault says where it starts. One change is harmless, to show that the test can pass."""
    (folder / "rules/extra.cedar").write_text("// a comment; with a semicolon\n" + damage(GOOD))
    if what is None:
        assert "law-rule" in Engine.load(folder=folder).rules
        return
    with pytest.raises(BadPolicy) as refused:
        Engine.load(folder=folder)
    assert any(
        (fault.file, fault.where) == ("extra.cedar", f"line {line}") and what in fault.what and fault.fix
        for fault in refused.value.faults
    ), str(refused.value)


def test_all_wrong_rules_come_at_once(folder: Path) -> None:
    """Three rules, two wrong, each with its own line."""
    wrong = GOOD.replace("when {", "whn {")
    (folder / "rules/extra.cedar").write_text(wrong + GOOD + wrong)
    with pytest.raises(BadPolicy) as refused:
        Engine.load(folder=folder)
    assert [fault.where for fault in refused.value.faults] == ["line 1", "line 19"]


@pytest.mark.parametrize(
    ("name", "damage", "what"),
    [
        ("schema.cedarschema", lambda text: text.replace("String,", "Strin,", 1), "Strin"),
        ("vocabulary.toml", lambda text: text.replace('"context.today"', '"context.now"', 1), "no words for context.today"),
        ("vocabulary.toml", lambda text: text.replace("nl = ", "n = ", 1), "nl"),
        ("vocabulary.toml", lambda text: text.replace("province =", "provinces =", 1), "has no words"),
        ("vocabulary.toml", lambda text: text.replace("submit =", "submits =", 1), "has no words"),
        ("dpia.toml", lambda text: text.replace('"counts-from-five"', '"counts-from-four"', 1), "no rule counts-from-four"),
        ("dpia.toml", lambda text: text.replace('measures = ["threshold", ', 'measures = ["treshold", ', 1), "no measure treshold"),
        ("dpia.toml", lambda text: text.replace("[risks", "[risk", 1), "dpia.toml"),
    ],
)  # fmt: skip
def test_a_wrong_file_beside_the_rules_stops_the_start(
    folder: Path, name: str, damage: Callable[[str], str], what: str
) -> None:
    """Schema, words and assessment are checked together with the rules."""
    path = folder / name
    path.write_text(damage(path.read_text(encoding="utf-8")), encoding="utf-8")
    with pytest.raises(BadPolicy) as refused:
        Engine.load(folder=folder)
    assert what in str(refused.value)


def in_force(purpose: str, day: str = "2026-08-01", citation: str = "Stb. 2026, 1") -> InForce:
    """The operator's word."""
    return InForce(purpose=purpose, from_date=dt.date.fromisoformat(day), citation=citation)


@pytest.mark.parametrize(
    ("words", "what"),
    [
        ([in_force("research")], "its status is undecided"),
        ([in_force("provinces")], "its status is refused"),
        ([in_force("own-school")], "its status is in_force"),
        ([in_force("no-such")], "no such purpose"),
        ([in_force("statutory-counts"), in_force("statutory-counts", "2027-01-01")], "set in force twice"),
    ],
)
def test_the_operator_sets_in_force_only_what_is_proposed(words: list[InForce], what: str) -> None:
    """What the law leaves open or refuses stays off, whatever the settings say."""
    with pytest.raises(BadPolicy, match=what):
        Engine.load(in_force=words)


def test_setting_in_force_needs_a_citation() -> None:
    """A date alone is not law."""
    with pytest.raises(ValueError, match="citation"):
        in_force("statutory-counts", citation=" ")


SUBMIT = Request(CALLERS["school"], Action.SUBMIT, DELIVERY, ("statutory-counts",), "absence-counts", TWO)


@pytest.mark.parametrize(
    ("moment", "permitted"),
    [
        ("2026-07-31T23:59:59.999+02:00", False),
        ("2026-08-01T00:00:00.000+02:00", True),
        ("2026-07-31T22:00:00.000+00:00", True),
        ("2026-07-31T21:59:59.999+00:00", False),
        ("2026-07-31T12:00:00.000-10:00", True),
    ],
)
def test_a_day_begins_at_midnight_in_amsterdam(moment: str, permitted: bool) -> None:
    """A purpose in force from 1 August works from midnight there, whatever zone the moment is written in."""
    assert isinstance(law().decide(SUBMIT, at=dt.datetime.fromisoformat(moment)), Permit) == permitted


def test_without_the_operators_word_a_bill_permits_nothing() -> None:
    """The same question, the same day, no word: refused, and the rule says why."""
    decision = Engine.load().decide(SUBMIT, at=noon("2026-11-02"))
    assert isinstance(decision, Deny)
    assert decision.rules == ("purpose-only-proposed",)


def test_a_moment_without_time_zone_is_not_accepted() -> None:
    """Guessing one would move midnight."""
    with pytest.raises(PolicyError, match="time zone"):
        law().decide(SUBMIT, at=dt.datetime(2026, 11, 2))  # noqa: DTZ001  that is the point


def test_every_purpose_of_a_release_must_allow_it() -> None:
    """Two that do: permit with the grounds and obligations of both. One that does not: the refusal of that one."""
    both = ("absence-insight-swv", "national-picture")
    request = Request(CALLERS["operator"], Action.BUILD_RELEASE, READY, both)
    decision = law().decide(request, at=noon("2026-11-02"))
    assert isinstance(decision, Permit)
    assert {ground.rule for ground in decision.grounds} >= {f"purpose:{key}" for key in both}
    assert {(asked.purpose, asked.name, asked.value) for asked in decision.obligations} >= {
        (key, "minimum", 5) for key in both
    }
    refused = law().decide(replace(request, purposes=(*both, "provinces")), at=noon("2026-11-02"))
    assert isinstance(refused, Deny)
    assert (refused.rules, refused.purposes) == (("purpose-refused",), ("provinces",))


def test_an_unknown_purpose_is_refused_and_not_repeated() -> None:
    """The id may be anything, a number of a pupil too."""
    decision = law().decide(replace(SUBMIT, purposes=("123456782",)), at=noon("2026-11-02"))
    assert isinstance(decision, Deny)
    assert decision.reason is Reason.UNKNOWN_PURPOSE
    assert "123456782" not in str([decision.why, decision.grounds])


def test_a_permit_says_what_it_asks_in_return() -> None:
    """Obligations come from the purpose file."""
    decision = law().decide(SUBMIT, at=noon("2026-11-02"))
    assert isinstance(decision, Permit)
    assert [(asked.name, asked.value) for asked in decision.obligations] == [("retention_days", 400)]


def test_grounds_cite_rule_and_purpose() -> None:
    """Each with article, document and standing in law."""
    rule, *purpose = law().decide(SUBMIT, at=noon("2026-11-02")).grounds
    assert (rule.rule, rule.source, rule.status) == ("deliver-own-figures", "36663-8 par. 5, 9", "proposed")
    assert [ground.source for ground in purpose] == ["36663-8 par. 5", "avg par. 9(2)(g)"]
    assert (rule.legal_basis.nl[:12], rule.legal_basis.en[:10]) == ("Wetsvoorstel", "Bill 36663")
    assert rule.explanation.nl.startswith("Een vestiging levert")


def test_a_refusal_is_grounded_on_the_rules_that_refused() -> None:
    """What makes the purpose lawful is no reason to refuse, and is not printed as one."""
    refused = law().decide(SUBMIT, at=noon("2026-07-31"))
    assert [ground.rule for ground in refused.grounds] == ["purpose-only-proposed"]


def test_every_article_is_said_in_both_languages() -> None:
    """No English text of an article is the Dutch one, or names a Dutch law by its Dutch abbreviation."""
    articles = [rule.legal_basis for rule in law().rules.values()]
    assert not [said.en for said in articles if said.en == said.nl or "AVG" in said.en or " lid " in said.en]


def test_two_permits_and_one_forbid_is_a_refusal() -> None:
    """The minister may see the country on two grounds; withdrawn it is refused on one."""
    piece = replace(SLICE, level="country", area="country")
    asked = Request(CALLERS["minister"], Action.DOWNLOAD_RELEASE, piece, ("national-picture",), "absence-counts")
    assert len(law().decide(asked, at=noon("2026-11-02")).rules) == 2
    refused = law().decide(replace(asked, thing=replace(piece, withdrawn=True)), at=noon("2026-11-02"))
    assert refused.rules == ("withdrawn-stays-withdrawn",)


def test_the_hash_follows_meaning_and_not_layout(folder: Path) -> None:
    """Comments and spaces change nothing; a word in force, a number or a rule does."""
    original = Engine.load(folder=folder).version.sha256
    rules = folder / "rules/30-release.cedar"
    text = rules.read_text(encoding="utf-8")
    rules.write_text("// another comment\n" + text.replace("when {", "when\n  {"), encoding="utf-8")
    assert Engine.load(folder=folder).version.sha256 == original
    rules.write_text(text.replace("resource.minimum >= 5", "resource.minimum >= 6"), encoding="utf-8")
    assert Engine.load(folder=folder).version.sha256 != original
    assert Engine.load(in_force=[in_force("statutory-counts")]).version.sha256 != original


def test_an_action_is_about_its_own_kind_of_thing() -> None:
    """Submitting a table is a fault of the program, found when the question is made."""
    with pytest.raises(WrongQuestion, match="submit is about Delivery, not about OwnTable"):
        Request(CALLERS["school"], Action.SUBMIT, OwnTable(SITE.code), ("statutory-counts",))
    with pytest.raises(WrongQuestion, match="at least one purpose"):
        replace(SUBMIT, purposes=())


def test_what_anybody_may_know_of_each_purpose() -> None:
    """`standing`: a permit where the purpose works that day, else why not, with the reason of its own file; told once."""
    standing = law().standing(noon("2026-11-02"))
    assert isinstance(standing["statutory-counts"], Permit)
    research = standing["research"]
    assert isinstance(research, Deny)
    assert research.why[-1] == law().purposes["research"].reason
    before = law().standing(noon("2026-07-31"))["statutory-counts"]
    assert before.rules == ("purpose-only-proposed",)
    assert law().standing(noon("2026-11-02") + dt.timedelta(hours=11)) is standing


@pytest.mark.parametrize("category", list(DataCategory))
def test_every_category_can_be_put_to_the_rules(category: DataCategory) -> None:
    """No category makes the engine fail, in a delivery or under consent."""
    for thing, action in ((replace(DELIVERY, data=frozenset({category})), Action.SUBMIT),
                          (replace(RECORD, data=frozenset({category})), Action.SUBMIT_CONSENTED_RECORD)):  # fmt: skip
        decision = law().decide(Request(CALLERS["school"], action, thing, ("statutory-counts",)), at=noon("2026-11-02"))
        assert not isinstance(decision, Deny) or decision.reason is not Reason.FAULT


@pytest.mark.parametrize("kind", list(Kind))
def test_every_kind_of_party_can_ask(kind: Kind) -> None:
    """No kind makes the engine fail."""
    caller = replace(CALLERS["swv"], party=replace(CALLERS["swv"].party, kind=kind))
    request = Request(caller, Action.DOWNLOAD_RELEASE, SLICE, ("absence-insight-swv",), "absence-counts")
    decision = law().decide(request, at=noon("2026-11-02"))
    assert isinstance(decision, Permit) == (kind is Kind.SWV)
    assert not isinstance(decision, Deny) or decision.reason is not Reason.FAULT


def test_a_decision_can_be_written_to_an_entry() -> None:
    """Verdict, rules and version are plain text."""
    decision = law().decide(SUBMIT, at=noon("2026-11-02"))
    entry = {
        "decision": decision.verdict,
        "rules": decision.rules,
        "policy": [decision.policy.id, decision.policy.sha256],
    }
    assert json.loads(json.dumps(entry))["decision"] == "permit"
