"""What the operator does: register, periods, keys, credentials. Each act asks the law and is logged."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from sqlmodel import Session, col, select

from audit.entry import Actor, Entry, Object
from audit.events import Event
from gateway.context import OPERATION, Gateway, allowed, take_the_desk
from gateway.delivered import asks, without_place
from gateway.identity import (
    SCOPES,
    Identity,
    add_person,
    end_credentials,
    find_person,
    issue_link,
    issue_token,
    oin_fits,
    register_oin,
    revoke_token,
    roles_for,
    shut_out,
    still_good,
)
from gateway.outcome import Fault, Refused, Report
from gateway.periods import (
    ROWS,
    counts_are_over,
    days_fault,
    entry_of,
    find_period,
    first_day,
    is_being_built,
    last_use,
    period_fault,
    rows_end,
    school_year,
)
from gateway.prepared import SUBJECTS
from gateway.recipient_key import public_key_id, thumbprint
from gateway.register import Changes, SiteEntry, end_site, name_fits, party_fault, place_party, register_sites
from gateway.store import Party, PartyKey, Period, PeriodState, Reopening
from policies.decision import Decision
from policies.parties import Kind
from policies.question import Action
from policies.things import Installation
from pseudonymisation.rotation import half_succeeded

Result = TypeVar("Result")
Act = Callable[[Session, Actor, Decision], Result | Refused]


@dataclass(frozen=True, slots=True)
class Desk:
    """The operator at work: an identity whose every act is decided and logged.

    Attributes:
        identity: A person of the operator, or the operator's command line (no person).
    """

    gateway: Gateway
    identity: Identity

    def open_period(
        self, table: str, code: str, *, reference_date: date, deadline: date, exercise: bool
    ) -> Period | Refused:
        """Open a period of a table; a real one needs two operators, or the word `unsafe` in the settings.

        The keys of its school year are there before it; one whose rows were erased gets neither.
        """
        contract = self.gateway.contracts.get(table)
        if contract is None or contract.table != table:
            return Refused("unknown-collection")
        rule = period_fault(code, contract)
        fault = Fault(rule, column="code") if rule else days_fault(code, reference_date, deadline)
        if fault is not None:
            return Refused("faults-in-request", report=Report.of([fault]))
        if isinstance(made := self.create_keys(code), Refused):
            return made

        def act(session: Session, actor: Actor, decision: Decision) -> Period | Refused:
            if find_period(session, table, code) is not None:
                return Refused("period-exists")
            period = Period(
                table_id=table, code=code, reference_date=reference_date, deadline=deadline, exercise=exercise
            )
            session.add(period)
            session.flush()
            self.gateway.append(session, entry_of(Event.PERIOD_OPENED, actor, period, self.gateway.contracts), decision)
            return period

        return self.act(Action.MANAGE_PERIODS, act, exercise=exercise)

    def close_period(self, table: str, code: str) -> Period | Refused:
        """Close a period: from now on the last confirmed version of each site is its delivery.

        Where that is so already, nothing is done, and so nothing is logged.
        """

        def act(session: Session, actor: Actor, decision: Decision) -> Period | Refused:
            period = find_period(session, table, code)
            if period is None:
                return Refused("unknown-period")
            session.refresh(period, with_for_update=True)
            of_it = select(Reopening).where(Reopening.period_id == period.id, col(Reopening.closed_at).is_(None))
            again = session.exec(of_it).all()
            if period.state == PeriodState.CLOSED and not again:
                return period
            period.state = PeriodState.CLOSED
            for row in again:
                row.closed_at = self.gateway.clock()
            self.gateway.append(session, entry_of(Event.PERIOD_CLOSED, actor, period, self.gateway.contracts), decision)
            return period

        return self.act(Action.MANAGE_PERIODS, act, exercise=self._is_exercise(table, code))

    def reopen_for(self, table: str, code: str, site: str) -> Period | Refused:
        """Reopen a closed period for one site, while no release of it is being built; a correction can count it."""

        def act(session: Session, actor: Actor, decision: Decision) -> Period | Refused:
            period = find_period(session, table, code)
            if period is None or period.id is None:
                return Refused("unknown-period")
            session.refresh(period, with_for_update=True)
            if period.state != PeriodState.CLOSED:
                return Refused("period-open")
            if is_being_built(session, period):
                return Refused("release-under-way")
            if not asks(session, self.gateway.contracts, period, site):  # every build would wait for nothing
                return Refused("site-not-asked")
            if counts_are_over(self.gateway.law.purposes, period, self.gateway.today):
                return Refused("counts-erased")
            session.add(Reopening(period_id=period.id, site=site))
            entry = entry_of(Event.PERIOD_REOPENED, actor, period, self.gateway.contracts, site)
            self.gateway.append(session, entry, decision)
            return period

        return self.act(Action.MANAGE_PERIODS, act, exercise=self._is_exercise(table, code))

    def add_party(self, code: str, kind: str, name: str) -> Event | Refused | None:
        """Register a party that is not a site, or give one of that kind another name; None when all was so already."""
        of_code = "PARTY-SITE" if kind == Kind.SITE else party_fault(code, kind)
        fault = of_code or (None if name_fits(name) else "PARTY-NAME")
        if fault is not None:
            return _faulty(fault)

        def act(session: Session, actor: Actor, decision: Decision) -> Event | None:
            event = place_party(session, code, kind, name)
            if event is not None:
                self.gateway.append(session, Entry(event=event, actor=actor, party=code), decision)
            return event

        return self.act(Action.MANAGE_REGISTER, act)

    def register(
        self, sites: Sequence[SiteEntry], parties: Sequence[tuple[str, str, str]], valid_from: date
    ) -> Changes | Refused:
        """Register sites and parties from a list, in one transaction; one wrong line refuses the whole list."""
        nameless = [Fault("PARTY-NAME", where=code) for code, _, name in parties if not name_fits(name)]

        def act(session: Session, actor: Actor, decision: Decision) -> Changes | Refused:
            changes = nameless or register_sites(session, sites, valid_from, parties)
            if not isinstance(changes, list):
                changes = without_place(session, self.gateway.contracts, valid_from) or changes
            if isinstance(changes, list):
                return Refused("faults-in-request", report=Report.of(changes))
            entry = _entry(Event.PARTY_CHANGED, actor, self.gateway.settings.operator, "register:gateway")
            self.gateway.append(session, entry, decision)
            return changes

        return self.act(Action.MANAGE_REGISTER, act)

    def end_site(self, site: str, day: date) -> bool | Refused:
        """Take a site that closes or merges out of the register from a day on; later periods expect nothing of it."""

        def act(session: Session, actor: Actor, decision: Decision) -> bool | Refused:
            if not end_site(session, site, day):
                return Refused("not-found")
            self.gateway.append(session, Entry(event=Event.PARTY_CHANGED, actor=actor, party=site), decision)
            return True

        return self.act(Action.MANAGE_REGISTER, act)

    def register_key(self, party: str, jwk: Mapping[str, object]) -> str | Refused:
        """Register a recipient's public key (JWK, RFC 7517), to which sites seal case references; returns its id.

        A private key is refused: nobody but the recipient may hold it.
        """
        kid = public_key_id(jwk)
        if kid is None:
            return Refused("recipient-key")

        def act(session: Session, actor: Actor, decision: Decision) -> str | Refused:
            if session.get(Party, party) is None:
                return Refused("unknown-party")
            if session.get(PartyKey, kid) is not None:
                return Refused("recipient-key")
            session.add(PartyKey(kid=kid, party=party, jwk=json.dumps(dict(jwk), sort_keys=True)))
            self.gateway.append(session, _entry(Event.KEY_PUBLISHED, actor, party, f"key:{thumbprint(jwk)}"), decision)
            return kid

        return self.act(Action.MANAGE_ACCESS, act)

    def withdraw_key(self, party: str, kid: str) -> str | Refused:
        """Take a recipient's public key out of the register, for one that is lost; returns its id.

        Nothing can be sealed to it from then on; the recipient registers another.
        """

        def act(session: Session, actor: Actor, decision: Decision) -> str | Refused:
            row = session.get(PartyKey, kid)
            if row is None or row.party != party:
                return Refused("not-found")
            session.delete(row)
            about = f"key:{thumbprint(json.loads(row.jwk))}"
            self.gateway.append(session, _entry(Event.KEY_RETIRED, actor, party, about), decision)
            return kid

        return self.act(Action.MANAGE_ACCESS, act)

    def create_keys(self, period: str) -> int | Refused:
        """Make the missing keys of a period's school year: one for rows, one for the log.

        A school year whose rows were erased gets none any more, nor one in which a rotation broke off: rows stand there
        to which only the key it made leads. A key comes into use once its entry is kept.
        """
        gateway, year = self.gateway, school_year(period)
        if rows_end(gateway.law.purposes, year) <= gateway.today:
            return Refused("school-year-over")

        def act(session: Session, actor: Actor, decision: Decision) -> list[str] | Refused:
            missing = [name for name in (ROWS, SUBJECTS) if gateway.keyring.active(name, year) is None]
            for name in missing:
                if half_succeeded(gateway.keyring, name, year) is not None:
                    return Refused("rotation-unfinished", facts={"purpose": name})
                about = Object(f"key:{name}/{year}")
                gateway.append(session, Entry(event=Event.KEY_CREATED, actor=actor, object=about), decision)
            days = {"not_before": first_day(year), "not_after": last_use(year)}
            return [gateway.keyring.ready(name, year, **days).key_id for name in missing]

        made = self.act(Action.MANAGE_KEYS, act)
        if isinstance(made, Refused):
            return made
        for key_id in made:
            gateway.keyring.activate(key_id)
        return len(made)

    def issue_token(self, party: str, *, scopes: Sequence[str], expires_at: datetime) -> str | Refused:
        """Make a token for a machine of a party; it is returned once and never shown again."""
        if not _are_scopes(scopes):
            return _faulty("TOKEN-SCOPE")

        def act(session: Session, actor: Actor, decision: Decision) -> str | Refused:
            if (shut := shut_out(session, party)) is not None:
                return shut
            token_id, token = issue_token(session, party, scopes=scopes, expires_at=expires_at)
            self.gateway.append(session, _entry(Event.TOKEN_ISSUED, actor, party, f"token:{token_id}"), decision)
            return token

        return self.act(Action.MANAGE_ACCESS, act)

    def revoke_token(self, key: str) -> str | Refused | None:
        """Revoke a token by its id or by itself, or a number (OIN), at once; says which, None if there is none."""

        def act(session: Session, actor: Actor, decision: Decision) -> str | None:
            if (ended := revoke_token(session, key, self.gateway.clock())) is None:
                return None
            party, named = ended
            self.gateway.append(session, _entry(Event.TOKEN_REVOKED, actor, party, self._token(named)), decision)
            return named

        return self.act(Action.MANAGE_ACCESS, act)

    def register_oin(self, party: str, number: str, *, scopes: Sequence[str]) -> str | Refused:
        """Let machines with a client certificate of this number (OIN) speak for a party; returns the number."""
        if not oin_fits(number) or not _are_scopes(scopes):
            return _faulty("TOKEN-SCOPE" if oin_fits(number) else "OIN")

        def act(session: Session, actor: Actor, decision: Decision) -> str | Refused:
            if (shut := shut_out(session, party)) is not None:
                return shut
            if not register_oin(session, number, party, scopes=scopes):
                return Refused("oin-taken")
            self.gateway.append(session, _entry(Event.TOKEN_ISSUED, actor, party, self._token(number)), decision)
            return number

        return self.act(Action.MANAGE_ACCESS, act)

    def end_credentials(self, party: str) -> int | Refused:
        """End all that opens a door for a party, at once: sessions, links, tokens, certificates; says how many.

        None of its people logs in again, by a link or through the provider, until it is let in.
        """

        def act(session: Session, actor: Actor, decision: Decision) -> int | Refused:
            if session.get(Party, party) is None:
                return Refused("unknown-party")
            ended = end_credentials(session, party, self.gateway.clock())
            self.gateway.append(session, _entry(Event.TOKEN_REVOKED, actor, party, f"party:{party}"), decision)
            return ended

        return self.act(Action.MANAGE_ACCESS, act)

    def let_in(self, party: str) -> bool | Refused:
        """Let the people of a party that was locked out log in again; where it was not, nothing is done."""

        def act(session: Session, actor: Actor, decision: Decision) -> bool | Refused:
            row = session.get(Party, party)
            if row is None:
                return Refused("unknown-party")
            if row.locked_at is None:
                return False
            row.locked_at = None
            self.gateway.append(session, Entry(event=Event.PARTY_LET_IN, actor=actor, party=party), decision)
            return True

        return self.act(Action.MANAGE_ACCESS, act)

    def invite(self, party: str, role: str, label: str) -> str | Refused:
        """Make a one-time login link for a person of a party, registered the first time; returns the link's secret.

        The same label is the same person, so that nobody approves an own build with a fresh link; operators have one.
        Elsewhere the role stands for a label that is not given. No person makes a link for an operator: who holds the
        link is that operator, and the link to a colleague would be a second pair of eyes.
        """
        known_as = label.strip() or ("" if role == "operator" else role)
        if not name_fits(known_as):
            return _faulty("PARTY-NAME" if known_as else "PERSON-LABEL")

        def act(session: Session, actor: Actor, decision: Decision) -> str | Refused:
            if (shut := shut_out(session, party)) is not None:
                return shut
            if role not in roles_for(
                session.get_one(Party, party).kind, operator=party == self.gateway.settings.operator
            ):
                return _faulty("PERSON-ROLE")
            if role == "operator" and self.gateway.settings.openid is not None:
                return Refused("operator-at-provider")
            if role == "operator" and self.identity.person is not None:
                return Refused("operator-by-command")
            found = find_person(session, party, role, known_as, hold=True)
            person = found or add_person(session, party, role, known_as)
            secret = issue_link(session, person, self.gateway.clock())
            entry = _entry(Event.LINK_ISSUED, actor, party, f"link:{self.gateway.new_id()}")
            self.gateway.append(session, entry, decision)
            return secret

        return self.act(Action.MANAGE_ACCESS, act)

    def act(self, action: Action, act: Act[Result], *, exercise: bool = False, alone: bool = True) -> Result | Refused:
        """Ask the law, then act and log in one transaction; a refusal has its own.

        A person hands out credentials only shortly after proving who it is. One act at a time is done alone at its
        desk; one that takes or waits long is not, and keeps away by itself what it must not meet.
        """
        if action is Action.MANAGE_ACCESS and self.identity.person is not None and not self.identity.proven:
            return Refused("step-up")
        permitted = allowed(self.gateway, self.identity, action, Installation(exercise=exercise), OPERATION)
        if isinstance(permitted, Refused):
            return permitted
        actor, decision = permitted
        with self.gateway.writing() as session:
            if alone:  # two operators who press the same button at once find what the first one did
                take_the_desk(session, action)
            good = still_good(session, self.identity, self.gateway.clock())
            result = act(session, actor, decision) if good else Refused("unauthenticated")
            if isinstance(result, Refused):
                session.rollback()
        if isinstance(result, Refused):
            self.gateway.log_undone(Entry(event=Event.REQUEST_REFUSED, actor=actor), decision)
        return result

    def _is_exercise(self, table: str, code: str) -> bool:
        """Whether a period needs no second operator; where there is none, the act says that and nothing else."""
        with self.gateway.reading() as session:
            period = find_period(session, table, code)
            return period is None or period.exercise

    def _token(self, key: str) -> str:
        """How the log names a token, or a certificate's number, which it does not say."""
        return f"token:{self.gateway.tag(b'oin', key.encode())[:16].hex() if oin_fits(key) else key}"


def _faulty(rule: str) -> Refused:
    return Refused("faults-in-request", report=Report.of([Fault(rule)]))


def _are_scopes(scopes: Sequence[str]) -> bool:
    return bool(scopes) and set(scopes).issubset(SCOPES)


def _entry(event: Event, actor: Actor, party: str, about: str) -> Entry:
    return Entry(event=event, actor=actor, party=party, object=Object(about))
