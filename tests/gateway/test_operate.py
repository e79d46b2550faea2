"""What the operator does: every act decided, logged, and undone whole when it is refused."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlmodel import select

from gateway.app import first_links
from gateway.context import take_the_desk
from gateway.database import UNAVAILABLE
from gateway.demo.people import must
from gateway.grants import grant_mandate
from gateway.identity import Identity, link_is_open, open_session
from gateway.messages import LANGUAGES, catalogue, rule_text
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.publish.deciding import review
from gateway.recipient_key import thumbprint
from gateway.register import SiteEntry
from gateway.settings import OpenId, SettingsError, read_settings
from gateway.store import LoginLink, Party, Period, PeriodState, Person, Release, ReleaseState
from policies.decision import Deny
from policies.question import Action
from pseudonymisation.keyring import KeyState

from .conftest import NOW, PERIOD, TABLE, World
from .records import elsewhere, events, full_disk
from .test_consents import entries
from .test_recipient_key import KEY

DAYS = {"reference_date": date(2026, 10, 1), "deadline": date(2026, 11, 30)}


def rules(outcome: object) -> set[str]:
    """Rules of a refused request; each has its words in both languages."""
    assert isinstance(outcome, Refused)
    assert outcome.code == "faults-in-request"
    assert outcome.report is not None
    assert all(rule_text(fault, language) for fault in outcome.report.faults for language in LANGUAGES)
    return set(outcome.report.totals)


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_a_party_is_locked_out_while_somebody_waits_at_the_desk(world: World) -> None:
    """Whatever keeps the operator's other work waiting, what ends what opens a door is done at once."""
    with elsewhere(world) as other, world.gateway.writing() as session:
        take_the_desk(session, Action.MANAGE_PERIODS)
        with pytest.raises(UNAVAILABLE):
            other.close_period(TABLE, PERIOD)
        assert other.end_credentials(world.region.sites[0].code) == 0


def test_a_period_is_opened_once(world: World) -> None:
    """A second opening of the same period is refused."""
    outcome = world.desk.open_period(TABLE, PERIOD, exercise=True, **DAYS)
    assert outcome == Refused("period-exists")


def test_a_real_period_needs_two_operators(world: World) -> None:
    """Where gateway and pseudonym service have one operator, only exercises are opened, and the law says why."""
    outcome = world.desk.open_period(TABLE, "2026-2027-2", exercise=False, **DAYS)
    assert isinstance(outcome, Refused)
    assert isinstance(outcome.decision, Deny)
    assert outcome.decision.rules == ("no-real-period-with-one-operator",)


@pytest.mark.parametrize("code", ["2026-2027", "2026-2028-1", "2026-2027-5", "x"])
def test_a_period_has_a_form(world: World, code: str) -> None:
    """Four periods in two consecutive years; anything else is refused with its mend."""
    outcome = world.desk.open_period(TABLE, code, exercise=True, **DAYS)
    assert rules(outcome) == {"PERIOD-CODE"}


@pytest.mark.parametrize(
    ("counted", "ends"),
    [
        (date(2026, 10, 2), date(2026, 10, 1)),
        (date(2026, 1, 1), date(2026, 10, 1)),
        (date(2027, 8, 1), date(2027, 9, 1)),
        (date(2026, 10, 1), date(2072, 1, 31)),
        (date(2026, 10, 1), date.max),
    ],
)
def test_a_period_has_days_of_its_school_year(world: World, counted: date, ends: date) -> None:
    """A deadline before the reference date is refused, and so are days that a slip of a digit took elsewhere."""
    outcome = world.desk.open_period(TABLE, "2026-2027-2", reference_date=counted, deadline=ends, exercise=True)
    assert rules(outcome) == {"PERIOD-DAYS"}


def test_a_year_that_was_erased_gets_no_period(world: World) -> None:
    """A period for which no keys can be made is refused before it is opened, not after."""
    later = world.at(datetime(2027, 9, 1, tzinfo=UTC))
    assert later.desk.open_period(TABLE, "2026-2027-2", exercise=True, **DAYS) == Refused("school-year-over")
    assert later.desk.close_period(TABLE, "2026-2027-2") == Refused("unknown-period")


def test_a_period_that_is_not_there_is_said_so(world: World) -> None:
    """A mistyped code is named as such, not taken for a real period that needs a second operator."""
    site = world.region.sites[0].code
    assert world.desk.close_period(TABLE, "2026-2027-9") == Refused("unknown-period")
    assert world.desk.reopen_for(TABLE, "2026-2027-9", site) == Refused("unknown-period")


def test_a_party_that_is_known_gets_another_name(world: World) -> None:
    """A name is corrected, in the log as a change; the same name, or another kind, changes nothing."""
    told = [("supplier", "Een"), ("supplier", "Een"), ("supplier", "Twee"), ("doctor", "Drie")]
    assert [must(world.desk.add_party("ORG-NEW", *each)) for each in told] == [
        "party.added",
        None,
        "party.changed",
        None,
    ]
    assert events(world)[-1] == "party.changed"
    with world.gateway.reading() as session:
        assert session.get_one(Party, "ORG-NEW").name == "Twee"


@pytest.mark.parametrize("name", ["", "  ", "x" * 201])
def test_a_party_has_a_name(world: World, name: str) -> None:
    """Empty or endless names are refused, of one party and in a list, and so is an endless label of a person."""
    assert rules(world.desk.add_party("GM0999", "gemeente", name)) == {"PARTY-NAME"}
    assert rules(world.desk.register([], [("GM0999", "gemeente", name)], date(2026, 8, 1))) == {"PARTY-NAME"}
    site = replace(SiteEntry("99ZZ00", "x", "so", ("undivided",), "ORG-1", "GM0344", None, 9), name=name)
    assert rules(world.desk.register([site], [], date(2026, 8, 1))) == {"PARTY-NAME"}
    label = world.desk.invite(world.region.sites[0].code, "school", name)
    assert isinstance(label, str) is (not name.strip())


@pytest.mark.parametrize("scopes", [[], ["foo"], ["submit", "everything"]])
def test_a_token_has_scopes_that_exist(world: World, scopes: list[str]) -> None:
    """A scope that opens nothing is refused when the token is asked for, not when it is used."""
    site, expires = world.region.sites[0].code, world.gateway.clock() + timedelta(days=1)
    assert rules(world.desk.issue_token(site, scopes=scopes, expires_at=expires)) == {"TOKEN-SCOPE"}
    assert rules(world.desk.register_oin(site, "00000001123456782000", scopes=scopes)) == {"TOKEN-SCOPE"}


@pytest.mark.parametrize("role", ["operator", "recipient", "controller-officer", "nobody"])
def test_a_person_has_a_role_of_its_organisation(world: World, role: str) -> None:
    """Nobody at a school logs in as operator, recipient or the minister's officer, nor as what does not exist."""
    assert rules(world.desk.invite(world.region.sites[0].code, role, "x")) == {"PERSON-ROLE"}


@pytest.mark.parametrize("exercise", [True, False])
def test_the_log_says_which_table_a_period_is_of_and_whether_it_is_an_exercise(world: World, exercise: bool) -> None:
    """The code alone is that of every table; of an exercise no officer need ask who were the two operators."""
    settings = world.gateway.settings.model_copy(update={"unsafe_single_operator": True})
    desk, code = Desk(replace(world.gateway, settings=settings), world.desk.identity), "2026-2027-2"
    must(desk.open_period(TABLE, code, exercise=exercise, **DAYS))
    must(desk.close_period(TABLE, code))
    must(desk.reopen_for(TABLE, code, world.region.sites[0].code))
    about = f"{'exercise' if exercise else 'period'}:{TABLE}/{code}"
    assert [(each["event"], each["period"], each["object"]) for each in entries(world)[-3:]] == [
        ("period.opened", code, {"id": about}),
        ("period.closed", code, {"id": about}),
        ("period.reopened", code, {"id": about}),
    ]


def test_a_period_is_closed_whose_table_the_deployment_has_no_more(world: World) -> None:
    """The log has no word for that table by then, and says only which period it is."""
    must(Desk(replace(world.gateway, contracts={}), world.desk.identity).close_period(TABLE, PERIOD))
    last = entries(world)[-1]
    assert (last["event"], last["period"], last.get("object")) == ("period.closed", PERIOD, None)


def test_the_log_tells_the_acts_on_a_party_apart(world: World) -> None:
    """Name, key and its loss, a party shut out and let in, a site that ends, a list: the entry alone tells which."""
    site, key = world.region.sites[0].code, f"key:{thumbprint(KEY)}"
    for name in ("Zorg", "Zorg Noord"):
        must(world.desk.add_party("ORG-JGZ", "youth_health_care", name))
    must(world.desk.register_key("ORG-JGZ", KEY))
    must(world.desk.withdraw_key("ORG-JGZ", str(KEY["kid"])))
    must(world.desk.end_credentials("ORG-JGZ"))
    must(world.desk.let_in("ORG-JGZ"))
    must(world.desk.end_site(site, world.gateway.today))
    must(world.desk.register([], [("GM0999", "gemeente", "Nergens")], world.gateway.today))
    assert [(each["event"], each["party"], each.get("object", {}).get("id")) for each in entries(world)[-8:]] == [
        ("party.added", "ORG-JGZ", None),
        ("party.changed", "ORG-JGZ", None),
        ("key.published", "ORG-JGZ", key),
        ("key.retired", "ORG-JGZ", key),
        ("token.revoked", "ORG-JGZ", "party:ORG-JGZ"),
        ("party.let-in", "ORG-JGZ", None),
        ("party.changed", site, None),
        ("party.changed", world.gateway.settings.operator, "register:gateway"),
    ]


def test_closing_ends_reopenings(world: World) -> None:
    """A period that was reopened for a site and is closed again takes nothing any more."""
    world.desk.close_period(TABLE, PERIOD)
    world.desk.reopen_for(TABLE, PERIOD, world.region.sites[0].code)
    world.desk.close_period(TABLE, PERIOD)
    assert events(world)[-3:] == ["period.closed", "period.reopened", "period.closed"]


def test_an_open_period_is_not_reopened(world: World) -> None:
    """Every site may still deliver: who asks hears that, and no site is late."""
    assert world.desk.reopen_for(TABLE, PERIOD, world.region.sites[0].code) == Refused("period-open")
    assert "period.reopened" not in events(world)


def test_a_period_whose_counts_were_erased_is_not_reopened(world: World) -> None:
    """What was sent before is not there any more, so that a change of it would be no correction."""
    world.desk.close_period(TABLE, PERIOD)
    later = world.at(NOW + timedelta(days=500))
    assert later.desk.reopen_for(TABLE, PERIOD, world.region.sites[0].code) == Refused("counts-erased")


def test_no_period_is_reopened_for_who_cannot_deliver(world: World) -> None:
    """No site, not in the register on the reference date, or not funded then: every build would wait for nothing."""
    world.desk.close_period(TABLE, PERIOD)
    ended, unfunded, merged = world.region.sites[:3]
    must(world.desk.end_site(ended.code, date(2026, 9, 1)))
    must(world.desk.end_site(merged.code, world.gateway.today))
    s = unfunded
    entry = SiteEntry(s.code, s.name, s.sector, s.subdivisions, s.board, s.gemeente, s.swv, s.pupils, funded=False)
    must(world.desk.register([entry], [], date(2026, 8, 1)))
    for code in (ended.code, unfunded.code, merged.gemeente):
        assert world.desk.reopen_for(TABLE, PERIOD, code) == Refused("site-not-asked")
    must(world.desk.reopen_for(TABLE, PERIOD, merged.code))


def test_a_site_is_registered_by_import_only(world: World) -> None:
    """A site without facts would stand in the register and be asked for nothing: the refusal names the way."""
    assert rules(world.desk.add_party("91BB01", "site", "De Proef")) == {"PARTY-SITE"}
    assert "`verzuimpoort party import`" in catalogue("rules")["PARTY-SITE"]["en"]


def test_closing_what_is_closed_does_nothing(world: World) -> None:
    """A second closing answers as the first one and leaves no entry of an act that was none."""
    first, second = world.desk.close_period(TABLE, PERIOD), world.desk.close_period(TABLE, PERIOD)
    assert isinstance(first, Period)
    assert isinstance(second, Period)
    assert (first.id, second.state) == (second.id, PeriodState.CLOSED)
    assert events(world).count("period.closed") == 1


def test_every_act_leaves_its_entry(world: World) -> None:
    """Party, agreement, mandate, token, link and key each stand in the log with their event."""
    today = world.gateway.today
    world.desk.add_party("ORG-LAS", "supplier", "Leverancier")
    grant_mandate(
        world.desk,
        "ORG-LAS",
        world.region.sites[0].code,
        actions=["submit"],
        collections=[TABLE],
        valid_from=today,
        valid_to=today + timedelta(days=1),
    )
    world.desk.issue_token("ORG-LAS", scopes=["submit"], expires_at=world.gateway.clock() + timedelta(days=1))
    world.desk.invite("ORG-LAS", "privacy-officer", "x")
    assert events(world)[-4:] == ["party.added", "mandate.granted", "token.issued", "link.issued"]
    assert {"agreement.registered", "period.opened", "key.created"} <= set(events(world))


def test_keys_are_made_once(world: World) -> None:
    """The key of a purpose and year is made when the first period opens and not again."""
    assert world.desk.create_keys(PERIOD) == 0
    assert world.desk.create_keys("2027-2028-1") == 2
    key = world.gateway.keyring.active("counting-for-school", "2027-2028")
    assert key is not None
    assert key.state is KeyState.ACTIVE


def test_a_key_whose_entry_failed_is_logged_when_it_is_made_again(world: World) -> None:
    """No key comes into use before its entry is kept, and what broke off leaves no second key."""
    with full_disk(world), pytest.raises(OSError, match="no space"):
        world.desk.create_keys("2027-2028-1")
    assert world.gateway.keyring.active("counting-for-school", "2027-2028") is None
    assert world.desk.create_keys("2027-2028-1") == 2
    assert events(world)[-2:] == ["key.created", "key.created"]
    assert len([key for key in world.gateway.keyring.records() if key.school_year == "2027-2028"]) == 2


def test_opening_that_broke_off_is_completed_by_the_same_command(world: World) -> None:
    """Keys are made before the period: where they cannot be, there is none, and the same act makes both."""
    days = {"reference_date": date(2027, 10, 1), "deadline": date(2027, 11, 1)}
    with full_disk(world), pytest.raises(OSError, match="no space"):
        world.desk.open_period(TABLE, "2027-2028-1", exercise=True, **days)
    must(world.desk.open_period(TABLE, "2027-2028-1", exercise=True, **days))
    assert world.gateway.keyring.active("counting-for-school", "2027-2028") is not None
    assert events(world)[-3:] == ["key.created", "key.created", "period.opened"]


def test_a_wrong_list_changes_nothing(world: World) -> None:
    """One wrong line refuses a whole import, its parties included."""
    from gateway.register import SiteEntry  # noqa: PLC0415  beside its only use

    wrong = SiteEntry("x", "x", "po", ("undivided",), "ORG-1", "GM0001", None, 1)
    outcome = world.desk.register([wrong], [("GM0002", "gemeente", "Nergens")], date(2026, 8, 1))
    assert isinstance(outcome, Refused)
    with world.gateway.reading() as session:
        assert session.get(Party, "GM0002") is None


def test_nobody_else_sits_at_the_desk(world: World) -> None:
    """A school that tries an act of the operator is refused by law, and the refusal is logged."""
    desk = Desk(world.gateway, world.site(0))
    outcome = desk.open_period(TABLE, "2026-2027-3", exercise=True, **DAYS)
    assert isinstance(outcome, Refused)
    assert events(world)[-1] == "request.refused"
    with world.gateway.reading() as session:
        assert session.exec(select(Period).where(Period.code == "2026-2027-3")).first() is None


def test_an_operator_of_another_party_is_none(world: World) -> None:
    """The role of operator goes with the operator's party only."""
    desk = Desk(world.gateway, Identity(world.region.sites[0].code, "operator"))
    assert isinstance(desk.close_period(TABLE, PERIOD), Refused)


def test_a_setting_that_does_not_exist_is_named(world: World) -> None:
    """A misspelt key of `gateway.toml` is no wish that nobody hears."""
    file = world.gateway.home.settings_file
    file.write_text(f"proxy = []\n{file.read_text()}")
    with pytest.raises(SettingsError, match="proxy"):
        read_settings(world.gateway.home)


def test_a_fresh_link_makes_nobody_a_second_person(world: World) -> None:
    """Whoever builds a release does not approve it after being invited again under the same label."""
    release = world.gateway.new_id()
    (monday, tuesday), another = (logged_in(world, "Jan") for _ in range(2)), logged_in(world, "Piet")
    verdict = json.dumps({"attacker": {"exact": 0, "narrowed": 0}, "sectors": {}})
    facts = {"builder_id": monday.person, "purposes": "absence-insight-swv", "seed": bytes(32)}
    facts |= {"certificate": verdict, "commitment": "00" * 32}
    with world.gateway.writing() as session:
        period = session.exec(select(Period)).one()
        session.add(Release(id=release, period_id=period.id or 0, state=ReleaseState.BUILT, **facts))
    outcomes = [
        review(world.gateway, person, release, approved=True, reason="nagekeken") for person in (tuesday, another)
    ]
    assert [isinstance(outcome, Refused) for outcome in outcomes] == [True, False]


@pytest.mark.parametrize("label", ["", " "])
def test_an_operator_has_a_label(world: World, label: str) -> None:
    """Operators are told apart; at a school the role will do."""
    assert rules(world.desk.invite(world.gateway.settings.operator, "operator", label)) == {"PERSON-LABEL"}
    assert not isinstance(world.desk.invite(world.region.sites[0].code, "school", label), Refused)


@pytest.mark.parametrize("label", ["Piet", "Jan", "beheerder 2"])
def test_an_operator_makes_no_link_for_an_operator(world: World, label: str) -> None:
    """Not for a new person, nor for a colleague, nor for itself: a builder gets no second pair of eyes on a page."""
    colleague, builder = logged_in(world, "beheerder 2"), logged_in(world, "Jan")
    page, code = Desk(world.gateway, builder), world.gateway.settings.operator
    refused = page.invite(code, "operator", label)
    assert isinstance(refused, Refused)
    assert refused.code == "operator-by-command"
    with world.gateway.reading() as session:
        assert set(session.exec(select(Person.id)).all()) == {colleague.person, builder.person}
        assert all(link.used_at for link in session.exec(select(LoginLink)).all())
    assert must(page.invite(code, "privacy-officer", label))


def test_where_people_log_in_at_a_provider_operators_get_no_link(world: World) -> None:
    """A link would pass by the provider's second factor, also one of the command line; others still get one."""
    provider = OpenId(issuer="https://login.example", client_id="x", secret=Path("secret"), roles={})
    settings = world.gateway.settings.model_copy(update={"openid": provider})
    desk = Desk(replace(world.gateway, settings=settings), world.desk.identity)
    refused = desk.invite(settings.operator, "operator", "Piet")
    assert isinstance(refused, Refused)
    assert refused.code == "operator-at-provider"
    assert must(desk.invite(world.region.sites[0].code, "school", "Piet"))


def test_first_links_let_nobody_in_who_is_locked_out(world: World) -> None:
    """`init` on a live deployment leaves an entry for each link, and none opens before the operator is let in."""
    operator, now = world.gateway.settings.operator, world.gateway.clock()
    lasts = world.gateway.settings.proven_for
    must(world.desk.end_credentials(operator))
    (first,) = first_links(world.gateway, ["beheerder 1"])
    assert events(world)[-1] == "link.issued"
    with world.gateway.writing() as session:
        assert not link_is_open(session, first.secret, now)
        assert open_session(session, first.secret, now, proven_for=lasts) is None
    must(world.desk.let_in(operator))
    with world.gateway.writing() as session:
        assert open_session(session, first.secret, now, proven_for=lasts) is not None


def logged_in(world: World, label: str) -> Identity:
    """A person of the operator, through a link of its own."""
    secret = must(world.desk.invite(world.gateway.settings.operator, "operator", label))
    with world.gateway.writing() as session:
        opened = open_session(session, secret, world.gateway.clock(), proven_for=world.gateway.settings.proven_for)
    assert opened is not None
    return opened.identity
