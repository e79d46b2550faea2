"""What every act of the gateway works with, composed once in `app`: how it asks the law and leaves its trace."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlmodel import Session

from audit.entry import Activity, Actor, Entry, Policy
from audit.entry import Vocabulary as AuditVocabulary
from audit.events import Decision as Outcome
from audit.events import Event
from audit.events import Role as AuditRole
from audit.group import GroupCommit
from audit.log import Appended, Log
from audit.note import Signer
from audit.receipt import equality_tag
from gateway.collections import Contracts
from gateway.database import joining, reading, take_turns, writing
from gateway.identity import Identity, caller_of, still_good
from gateway.messages import catalogue
from gateway.outcome import Refused
from gateway.settings import Home, Settings
from policies.days import local_day
from policies.decision import Decision, Deny, Permit, Reason
from policies.engine import Engine as PolicyEngine
from policies.law import Law
from policies.parties import Caller, Kind, Role
from policies.question import Action, Request, Setup
from policies.things import Thing
from pseudonymisation.keyring import Keyring

Result = TypeVar("Result")
OPERATION, ACCOUNTABILITY = "operation", "accountability"
"""Purposes of the acts that keep the gateway running, and of looking back at what it did."""


def wall_clock() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


class KeepsLog(Protocol):
    """Whoever keeps a log that anybody may follow: the gateway, and the pseudonym service."""

    @property
    def home(self) -> Home:
        """Its folder, in which its witnesses are named."""

    @property
    def database(self) -> Engine:
        """Where the log is kept."""

    @property
    def log(self) -> Log:
        """Writes the log's entries."""

    @property
    def receipts(self) -> Signer | None:
        """Signs receipts, where it gives any."""

    @property
    def actor(self) -> Actor:
        """Who does what nobody asked for."""

    def reading(self) -> AbstractContextManager[Session]:
        """A transaction that only reads."""

    def log_act(self, entry: Entry) -> Appended:
        """Log an act that changes nothing else, in a transaction of its own."""


@dataclass(frozen=True)
class Gateway:
    """One gateway, composed: what `receive`, `publish` and the other acts get as their first argument.

    Attributes:
        keyring: Keys of pids and of the log's tags, by purpose and school year.
        consent_keys: A data key for each consent, under key-encryption keys of which one is renewed whenever one ends.
        tag_key: Key of the tags by which equal bytes are recognised.
        clock: Tells the moment; tests replace it.
        random: Makes n unpredictable bytes; tests replace it.
    """

    home: Home
    settings: Settings
    database: Engine
    engine: PolicyEngine
    contracts: Contracts
    log: Log
    keyring: Keyring
    consent_keys: Keyring
    receipts: Signer
    tag_key: bytes = field(repr=False)
    clock: Callable[[], datetime] = wall_clock
    random: Callable[[int], bytes] = os.urandom

    @property
    def law(self) -> Law:
        """The rules and purposes in force here."""
        return self.engine.law

    @property
    def today(self) -> date:
        """The day it is in Europe/Amsterdam."""
        return local_day(self.clock())

    @property
    def actor(self) -> Actor:
        """Who does what nobody asked for: the gateway itself."""
        return Actor(AuditRole.GATEWAY, self.settings.operator)

    @property
    def setup(self) -> Setup:
        """How gateway and pseudonym service are run, in the words of the policies."""
        return Setup(
            two_operators=self.settings.operator != self.settings.service_operator,
            unsafe_single_operator=self.settings.unsafe_single_operator,
        )

    @property
    def operators(self) -> int:
        """How many operators stand between a number and a row: one only where both parts are run by one party."""
        return 2 if self.setup.two_operators else 1

    def decide(
        self, caller: Caller, action: Action, thing: Thing, purposes: tuple[str, ...], collection: str = ""
    ) -> Decision:
        """Ask the law, at this moment and for this set-up."""
        request = Request(caller, action, thing, purposes, collection, self.setup)
        return self.engine.decide(request, at=self.clock())

    def tag(self, *parts: bytes) -> bytes:
        """A keyed tag over parts: equal input, equal tag; without the key it says nothing."""
        framed = b"".join(len(part).to_bytes(8) + part for part in parts)
        return equality_tag(self.tag_key, framed)

    def new_id(self) -> str:
        """A random identifier: 32 hexadecimal digits."""
        return self.random(16).hex()

    def id_for(self, what: bytes, party: str, key: str) -> str:
        """The identifier of what a party asks for under an idempotency key: the same each time; random without a key.

        What carries it is found by it: a caller who lost the answer asks again and makes no second one.
        """
        return self.tag(what, party.encode(), key.encode())[:16].hex() if key else self.new_id()

    def append(self, session: Session, entry: Entry, decision: Decision | None = None) -> Appended:
        """Log an act in the transaction it happens in.

        Args:
            session: The transaction of the act.
            entry: What was done. Rules it names are those of a file; its outcome stands where it is not a permit: a
                file with faults is a denial although the law permitted it.
            decision: What the law said: adds rules, policy version and, of the first purpose, the legal basis and the
                activity in the register of processing.
        """
        return self.log.append(session.connection(), entry if decision is None else self._grounded(entry, decision))

    def serving(self, entry: Entry, purposes: Sequence[str]) -> Entry:
        """An entry of what no decision was asked for again, as the work of a worker is: with what it is done for.

        That is the first of the purposes that the law knows, its legal basis, and its line in the register of
        processing.
        """
        known = self.law.purposes.by_id
        purpose = next((known[each] for each in purposes if each in known), None)
        if purpose is None:
            return entry
        of_law = activity(self.settings, self.law, purpose.id)
        return replace(entry, purpose=purpose.id, basis=purpose.legal_basis[0].reference, activity=of_law)

    def refuse(self, entry: Entry, decision: Deny) -> Refused:
        """Log what the law denied, in a transaction of its own; the problem it becomes.

        What is unknown and what is not yours look the same.
        """
        self.log_act(entry, decision)
        if decision.reason is Reason.NOT_FOUND:
            return Refused("not-found")
        if decision.reason is Reason.FAULT:
            return Refused("policy-fault")
        return Refused("period-closed" if decision.rules == ("period-open",) else "forbidden", decision=decision)

    def log_undone(self, entry: Entry, decision: Decision) -> None:
        """Log that what the law permitted was not done: the state of things stood in its way."""
        self.log_act(replace(entry, decision=Outcome.DENY), decision)

    def log_act(self, entry: Entry, decision: Decision | None = None) -> Appended:
        """Log an act that changes nothing else, in a transaction of its own."""
        return self.together(lambda session: self.append(session, entry, decision))

    def log_for(
        self, identity: Identity | None, entry: Entry, decision: Decision, undone: Entry | None = None
    ) -> Appended | Refused:
        """Log what goes out to somebody, or to the public, by a credential that is good when its entry is made.

        Nothing may go out after the entry of the act that ended it. What then does not is logged too, by itself.

        Args:
            identity: To whom; None is the public.
            entry: What goes out.
            decision: The permit.
            undone: The entry where it does not; by default that a request was refused.
        """

        def work(session: Session) -> Appended | None:
            if identity is not None and not still_good(session, identity, self.clock()):
                return None
            return self.append(session, entry, decision)

        appended = self.together(work)
        if appended is not None:
            return appended
        self.log_undone(undone or Entry(event=Event.REQUEST_REFUSED, actor=entry.actor), decision)
        return Refused("unauthenticated")

    def reading(self) -> AbstractContextManager[Session]:
        """A read-only transaction on this gateway's database."""
        return reading(self.database)

    def writing(self) -> AbstractContextManager[Session]:
        """A writing transaction on this gateway's database."""
        return writing(self.database)

    def together(self, work: Callable[[Session], Result]) -> Result:
        """Do a short piece of work in a writing transaction, for what many callers do at once.

        On SQLite all that wait share one commit and its wait for the disk; PostgreSQL does as much by itself. Work is
        done in the thread of one of them: it must not wait, and not write in another transaction.
        """
        if self.database.dialect.name != "sqlite":
            with self.writing() as session:
                return work(session)

        def joined(connection: Connection) -> Result:
            with joining(connection) as session:
                return work(session)

        return self._group.run(joined)

    @cached_property
    def _group(self) -> GroupCommit:
        return GroupCommit(self.database)

    def _grounded(self, entry: Entry, decision: Decision) -> Entry:
        return replace(
            self.serving(entry, decision.purposes),
            rules=(*decision.rules, *entry.rules),
            policy=Policy(decision.policy.id, bytes.fromhex(decision.policy.sha256)),
            decision=entry.decision if entry.decision is not Outcome.PERMIT else Outcome(decision.verdict),
        )


_AUDIT_ROLE = {
    Kind.SITE: AuditRole.SCHOOL,
    Kind.BOARD: AuditRole.SCHOOL,
    Kind.SUPPLIER: AuditRole.SUPPLIER,
    Kind.YOUTH_HEALTH_CARE: AuditRole.YOUTH_HEALTH_CARE,
    Kind.OPERATOR: AuditRole.OPERATOR,
}
_OFFICERS = {
    Role.OPERATOR: AuditRole.OPERATOR,
    Role.PRIVACY_OFFICER: AuditRole.PRIVACY_OFFICER,
    Role.CONTROLLER_OFFICER: AuditRole.CONTROLLER_OFFICER,
}


def actor_of(caller: Caller) -> Actor:
    """Organisation and role of a caller for the log; never the person."""
    if caller.party.kind is Kind.PUBLIC:
        return Actor(AuditRole.PUBLIC)
    role = _OFFICERS.get(caller.role) or _AUDIT_ROLE.get(caller.party.kind, AuditRole.RECIPIENT)
    return Actor(role, caller.party.code)


def of_session(gateway: Gateway, caller: Caller, event: Event) -> Entry:
    """An entry of a session; of who acts under consents it names nobody, for entries of consents stand within it."""
    return Entry(event=event, actor=actor_of(caller) if caller.role in _OFFICERS else gateway.actor)


def allowed(
    gateway: Gateway, identity: Identity, action: Action, thing: Thing, purpose: str
) -> tuple[Actor, Permit] | Refused:
    """Who acts, for the log, with the law's permission for an act of one purpose; a refusal is logged."""
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
    decision = gateway.decide(caller, action, thing, (purpose,))
    actor = actor_of(caller)
    if isinstance(decision, Deny):
        return gateway.refuse(Entry(event=Event.REQUEST_REFUSED, actor=actor), decision)
    return actor, decision


def take_the_desk(session: Session, action: Action) -> None:
    """Let one act of the operator at a time look at periods and register, and change them or let their figures out.

    Whoever also holds a period takes the desk first, and whoever holds stored pids takes it last. What opens or shuts a
    door is done at a desk of its own, where nobody waits for a period or a key: a party is locked out at once.
    """
    take_turns(session, b"the operator's door" if action is Action.MANAGE_ACCESS else b"the operator's desk")


def operator_of(gateway: Gateway, person: int | None = None) -> Identity:
    """The operator: a person who proved who it is, or its command line."""
    return Identity(gateway.settings.operator, "operator", person, proven=person is not None)


def activity(settings: Settings, law: Law, purpose: str) -> Activity:
    """The line of a purpose in the public register of processing (AVG art. 30), in the version of the law in force."""
    return Activity(f"{settings.base_url}/register#{purpose}", law.version.sha256[:16])


def vocabulary(settings: Settings, law: Law, contracts: Contracts) -> AuditVocabulary:
    """The words that entries of this gateway may use: those of its law, contracts and rules of files."""
    purposes = law.purposes.values()
    return AuditVocabulary(
        operator=settings.operator,
        purposes=frozenset(purpose.id for purpose in purposes),
        bases=frozenset(citation.reference for purpose in purposes for citation in purpose.legal_basis),
        activities=frozenset(activity(settings, law, purpose.id) for purpose in purposes),
        policies=frozenset({law.version.id}),
        rules=frozenset(law.rules) | frozenset(catalogue("rules")),
        names=frozenset(law.purposes)
        | frozenset(contracts)
        | frozenset({law.version.id, "gateway", "pseudonym-service", "audit-subjects", "key-encryption"}),
    )
