"""What people look over: periods, who delivered, who takes part, what was decided. No count of pupils is read here."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import ColumnElement, Row, exists, func
from sqlmodel import Session, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from audit.events import Event
from audit.schema import ENTRY, INDEX
from gateway.collections import Contracts
from gateway.context import Gateway
from gateway.delivered import CURRENT, asked, asks
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.periods import counts_are_over, reopened_for, takes
from gateway.register import EXPORT_DAYS, exports, holding_on, names, site_facts, sites_on
from gateway.store import (
    Approval,
    Count,
    Job,
    JobState,
    Mandate,
    Oin,
    Party,
    PartyKey,
    Period,
    Person,
    Receipt,
    Release,
    ReleaseChart,
    ReleaseState,
    SiteFacts,
    Submission,
    SubmissionState,
    Token,
)
from policies.days import local_day, moment_of
from policies.decision import Permit
from policies.parties import Kind

DELIVERED, RECEIVED, MISSING = "delivered", "received", "missing"
PAGE = 200
_CONFIRMED = col(Submission.state) == SubmissionState.CONFIRMED


def name_and_label(session: Session, identity: Identity) -> tuple[str, str]:
    """Name of a caller's party and the label of the person."""
    party = session.get(Party, identity.party)
    person = session.get(Person, identity.person) if identity.person is not None else None
    return party.name if party else identity.party, person.label if person else ""


def only_exercises(session: Session) -> bool:
    """Whether there are periods and all of them are exercises: then nothing here is real."""
    kinds = set(session.exec(select(Period.exercise).distinct()).all())
    return kinds == {True}


def periods(session: Session) -> Sequence[Period]:
    """Every period, the newest first."""
    return session.exec(select(Period).order_by(col(Period.code).desc(), Period.table_id)).all()


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the deliveries of a period are, in numbers of sites.

    Attributes:
        expected: Sites that are asked to deliver.
        delivered: Of these, sites with a confirmed delivery.
        received: Of these, sites that sent something and did not confirm it yet.
    """

    expected: int
    delivered: int
    received: int

    @property
    def missing(self) -> int:
        """Sites that sent nothing."""
        return self.expected - self.delivered - self.received


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where one site stands in a period.

    Attributes:
        facts: `site` and `sector`.
        state: `delivered`, `received` (sent, not confirmed) or `missing`.
        newest: `version` and `received_at` of the newest version it sent, whatever became of it.
        reopened: The closed period takes a late change of this site.
    """

    facts: Row[tuple[str, str]]
    name: str
    state: str
    newest: Row[tuple[str, str, int, datetime]] | None
    reopened: bool


def deliveries(
    session: Session, contracts: Contracts, period: Period, state: str = "", after: str = ""
) -> list[Delivery]:
    """The sites by code after one that are asked to deliver, or of those the ones in a state: 200 and one more.

    The database picks them: a nation has 8,500. A page shows 200; one more says that there is a next page.
    """
    confirmed, sent = _of(contracts, period, SubmissionState.CONFIRMED), _of(contracts, period, *CURRENT)
    site = col(SiteFacts.site)
    stands = {
        DELIVERED: (site.in_(confirmed),),
        RECEIVED: (site.in_(sent), site.not_in(confirmed)),
        MISSING: (site.not_in(sent),),
    }
    wanted = select(SiteFacts.site, SiteFacts.sector)
    wanted = wanted.where(asked(contracts, period), site > after, *stands.get(state, ()))
    facts = session.execute(wanted.order_by(site).limit(PAGE + 1)).all()
    codes = [each.site for each in facts]
    called, versions = names(session, codes), dict[str, list[Row[tuple[str, str, int, datetime]]]]()
    query = select(Submission.site, Submission.state, Submission.version, Submission.received_at)
    query = query.where(Submission.period_id == period.id, col(Submission.site).in_(codes))
    for row in session.execute(query.order_by(col(Submission.version))):
        versions.setdefault(row.site, []).append(row)
    reopened = set(reopened_for(session, period))
    return [
        Delivery(
            each,
            called.get(each.site, each.site),
            _state(row.state for row in versions.get(each.site, ())),
            versions.get(each.site, [None])[-1],
            each.site in reopened,
        )
        for each in facts
    ]


def progress(session: Session, contracts: Contracts, period: Period) -> Progress:
    """How far the deliveries of a period are, counted in the database."""
    expected = session.exec(select(func.count()).select_from(SiteFacts).where(asked(contracts, period))).one()
    delivered, sent = (
        session.exec(select(func.count()).select_from(sites.distinct().subquery())).one()
        for sites in (_of(contracts, period, SubmissionState.CONFIRMED), _of(contracts, period, *CURRENT))
    )
    return Progress(expected, delivered, sent - delivered)


@dataclass(frozen=True, slots=True)
class OwnPeriod:
    """A period as one site sees it.

    Attributes:
        takes: The site may deliver now.
        open: The period is open for it, whether anything is asked or not: what it sent can be withdrawn.
        over: Its counts are past their term: nothing of it is delivered, corrected or withdrawn any more.
        versions: What it sent, the newest first.
    """

    period: Period
    takes: bool
    open: bool
    over: bool
    versions: Sequence[Submission]

    @property
    def name(self) -> str:
        """Table and code, as an address has them: in one period several tables can be counted."""
        return f"{self.period.table_id}/{self.period.code}"

    @property
    def current(self) -> Submission | None:
        """The version that waits for confirmation or was confirmed; the newest of them."""
        return next((row for row in self.versions if row.state in CURRENT), None)

    @property
    def confirmed(self) -> Submission | None:
        """The version that counts."""
        return next((row for row in self.versions if row.state == SubmissionState.CONFIRMED), None)

    @property
    def waits(self) -> bool:
        """Whether the newest version was received and not confirmed yet."""
        return self.current is not None and self.current.state == SubmissionState.RECEIVED


def own_periods(gateway: Gateway, session: Session, site: str) -> list[OwnPeriod]:
    """The periods that ask a site or for which it sent something, with that, the newest period first.

    A period asks the funded sites of its sectors that are in the register of its reference date.
    """
    sent: dict[int, list[Submission]] = {}
    for row in session.exec(select(Submission).where(Submission.site == site).order_by(col(Submission.version).desc())):
        sent.setdefault(row.period_id, []).append(row)
    own = []
    for period in periods(session):
        due, versions = asks(session, gateway.contracts, period, site), sent.get(period.id or 0, ())
        if due or versions:
            over = counts_are_over(gateway.law.purposes, period, gateway.today)
            is_open = not over and due and takes(session, period, site)
            own.append(OwnPeriod(period, is_open and _is_asked(gateway, period), is_open, over, versions))
    return own


def _is_asked(gateway: Gateway, period: Period) -> bool:
    """Whether a purpose for which sites confirm counts of this table, in any form, stands today."""
    standing, accepting = gateway.engine.standing(gateway.clock()), gateway.law.purposes.accepting
    forms = [each.collection.id for each in gateway.contracts.values() if each.table == period.table_id]
    data = gateway.contracts[period.table_id].collection.data if forms else ()
    return any(isinstance(standing[name], Permit) for form in forms for name in accepting(form, Kind.SITE, data))


def own_figures(gateway: Gateway, session: Session, site: str) -> list[OwnPeriod]:
    """Those of them that have a table of the site's own: it was in the register, and its counts are here yet."""
    here = exists(select(Count.submission_id).where(Count.submission_id == col(Submission.id)))
    kept = set(session.exec(select(Submission.period_id).where(Submission.site == site, _CONFIRMED, here)))
    mine = [own for own in own_periods(gateway, session, site) if own.period.id in kept]
    return [own for own in mine if site_facts(session, site, own.period.reference_date) is not None]


def sites_of(session: Session, kind: str, area: str, day: date, *, sector: str = "") -> frozenset[str]:
    """Codes of the sites of a gemeente or SWV that are asked to deliver on a day, of one sector or of all."""
    there = sites_on(session, day, **{kind: area})
    return frozenset(facts.site for facts in there if facts.funded and sector in ("", facts.sector))


def has_chart(session: Session, release_id: str, area: str) -> bool:
    """Whether a release has a picture of a region or of the country: without deliveries there is none."""
    drawn = select(ReleaseChart.area).where(ReleaseChart.release_id == release_id, ReleaseChart.area == area)
    return session.exec(drawn.limit(1)).first() is not None


def find_parties(session: Session, words: str, kind: str) -> Sequence[Party]:
    """The first 200 parties whose code or name contains the words, of one kind or of all."""
    query = select(Party).order_by(Party.kind, Party.name).limit(PAGE)
    if kind:
        query = query.where(Party.kind == kind)
    if words:
        query = query.where(
            or_(col(Party.name).icontains(words, autoescape=True), col(Party.code).icontains(words, autoescape=True))
        )
    return session.exec(query).all()


def parties_by_kind(session: Session) -> Mapping[str, int]:
    """How many parties of each kind there are."""
    return dict(session.exec(select(Party.kind, func.count()).group_by(Party.kind).order_by(Party.kind)).all())


def people_of(session: Session, party: str) -> Sequence[Person]:
    """Persons with a login at a party; not those whose label was erased."""
    named = select(Person).where(Person.party == party, Person.label != "")
    return session.exec(named.order_by(Person.role, Person.label)).all()


def tokens_of(session: Session, party: str) -> Sequence[Token]:
    """Tokens of a party's machines; their secrets are not kept."""
    return session.exec(select(Token).where(Token.party == party).order_by(col(Token.expires_at).desc())).all()


def oins_of(session: Session, party: str) -> Sequence[Oin]:
    """Numbers of client certificates (OIN) that speak for a party, or did so last."""
    return session.exec(select(Oin).where(Oin.party == party).order_by(Oin.number)).all()


def keys_of(session: Session, party: str) -> list[str]:
    """Ids of the public keys to which sites seal for this party."""
    return list(session.exec(select(PartyKey.kid).where(PartyKey.party == party).order_by(PartyKey.kid)))


def mandates_of(session: Session, party: str, day: date) -> Sequence[Mandate]:
    """Mandates that a supplier holds or a site gave, on a day."""
    query = select(Mandate).where(
        holding_on(day, model=Mandate), or_(col(Mandate.supplier) == party, col(Mandate.site) == party)
    )
    return session.exec(query.order_by(Mandate.site, Mandate.supplier).limit(PAGE)).all()


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What a person of the operator may see of a release's review.

    Attributes:
        builder: Label of who built it.
        built_by_viewer: The viewer built it, so cannot approve it.
        verdicts: Verdicts with the label of who gave them; before a decision only the viewer's own.
        hidden: Verdicts of others that stay hidden until the decision.
    """

    builder: str
    built_by_viewer: bool
    verdicts: Sequence[tuple[Approval, str]]
    hidden: int

    def given_by(self, person: int | None) -> bool:
        """Whether a person gave a verdict already."""
        return any(verdict.person_id == person for verdict, _ in self.verdicts)


def reviewed(session: Session, release: Release, viewer: int | None) -> Reviewed:
    """The review of a release as one person may see it: nobody reads another's verdict before the decision."""
    rows = session.exec(
        select(Approval, Person.label)
        .join(Person, col(Person.id) == Approval.person_id)
        .where(Approval.release_id == release.id)
        .order_by(col(Approval.at))
    ).all()
    undecided = release.state == ReleaseState.BUILT
    shown = [(row, label) for row, label in rows if not undecided or row.person_id == viewer]
    return Reviewed(
        session.get_one(Person, release.builder_id).label,
        release.builder_id == viewer,
        shown,
        len(rows) - len(shown),
    )


def find_release(session: Session, release_id: str) -> tuple[Release, Period] | Refused:
    """A release and its period."""
    release = session.get(Release, release_id)
    if release is None:
        return Refused("not-found")
    return release, session.get_one(Period, release.period_id)


@dataclass(frozen=True, slots=True)
class Held:
    """A receipt that a party holds: when it was made, and of which form of file, where it is one of a download."""

    entry_id: str
    made: datetime
    form: str


def newest_downloads(session: Session, party: str, release_id: str, most: int) -> list[Held]:
    """The receipts of what a party downloaded of a release last, so many at most, the newest first.

    The log's index knows which those are: a program that fetches a release every hour leaves thousands.
    """
    subject, places = f"release:{release_id}", (INDEX.c.log, INDEX.c.idx)
    newest = (
        select(ENTRY.c.hash)
        .join(INDEX, (ENTRY.c.log == places[0]) & (ENTRY.c.idx == places[1]))
        .where(INDEX.c.object == subject, INDEX.c.recipient == party, INDEX.c.event == Event.RELEASE_DOWNLOADED)
        .order_by(*(place.desc() for place in places))
        .limit(most)
    )
    entries = [each.hex() for each in session.connection().execute(newest).scalars()]
    return receipts_of(session, party, subject, col(Receipt.entry_id).in_(entries))


def receipts_of(session: Session, party: str, subject: str, *among: ColumnElement[bool]) -> list[Held]:
    """The receipts a party holds of a submission or release, the newest first."""
    query = select(Receipt).where(Receipt.party == party, Receipt.subject == subject, *among)
    held = []
    for receipt in session.exec(query):
        said = json.loads(receipt.text.partition("\n")[0])
        made = moment_of(said["made"])
        held.append(Held(receipt.entry_id, made, said["details"].get("format", "")))
    return sorted(held, key=lambda each: each.made, reverse=True)


def open_jobs(session: Session) -> Sequence[Job]:
    """Work that waits, runs or failed."""
    return session.exec(select(Job).where(Job.state != JobState.DONE).order_by(col(Job.due_at)).limit(PAGE)).all()


def register_ends(session: Session) -> date | None:
    """From which day the pseudonym service refuses the register that was exported last; None when none was."""
    made = exports(session)
    return local_day(moment_of(made[-1])) + timedelta(days=EXPORT_DAYS) if made else None


def _of(contracts: Contracts, period: Period, *states: SubmissionState) -> SelectOfScalar[str]:
    """Sites that are asked to deliver and have a version in one of these states."""
    sent = (
        select(Submission.site).join(SiteFacts, col(SiteFacts.site) == Submission.site).where(asked(contracts, period))
    )
    return sent.where(Submission.period_id == period.id, col(Submission.state).in_(states))


def _state(versions: Iterable[str]) -> str:
    states = set(versions)
    if SubmissionState.CONFIRMED in states:
        return DELIVERED
    return RECEIVED if SubmissionState.RECEIVED in states else MISSING
