"""What privacy officers do with the log: look, take it out, have it checked. Looking is itself logged."""

from typing import IO

from audit.entry import Entry
from audit.events import Event
from audit.export import write_bundle
from audit.proofs import logs
from gateway.context import Gateway, actor_of
from gateway.identity import Identity, caller_of
from gateway.outcome import Refused
from gateway.receive import refused_by
from policies.decision import Decision, Deny
from policies.parties import Caller
from policies.question import Action
from policies.things import Records

PURPOSE = "accountability"


def policy_text(gateway: Gateway) -> str:
    """Whom to believe: the keys of the logs and of receipts, and the quorum of witnesses, as a policy file."""
    with gateway.reading() as session:
        keys = [state.key for state in logs(session.connection())]
    lines = [f"log {key}" for key in keys] + [f"receipt {gateway.receipts.key}", "quorum none"]
    return "".join(f"{line}\n" for line in lines)


def may(gateway: Gateway, identity: Identity, action: Action) -> tuple[Caller, Decision] | Refused:
    """Whether a privacy officer may look at the own organisation's entries, or the controller's officer at all."""
    with gateway.reading() as session:
        caller = caller_of(session, identity, gateway.today)
    decision = gateway.decide(caller, action, Records(party=scope_of(identity)), (PURPOSE,))
    if isinstance(decision, Deny):
        gateway.log_refusal(Entry(event=Event.REQUEST_REFUSED, actor=actor_of(caller)), decision)
        return refused_by(decision)
    return caller, decision


def scope_of(identity: Identity) -> str:
    """Whose entries an officer sees: those of the own organisation; empty, all, for the controller's officer."""
    return "" if identity.role == "controller-officer" else identity.party


def export(gateway: Gateway, identity: Identity, out: IO[bytes]) -> int | Refused:
    """Write the whole log in use as a bundle that anybody can check offline; returns its number of entries.

    Only the controller's officer may: a bundle holds the entries of every organisation.
    """
    allowed = may(gateway, identity, Action.EXPORT_AUDIT)
    if isinstance(allowed, Refused):
        return allowed
    caller, decision = allowed
    if scope_of(identity):
        return Refused("not-found")
    with gateway.writing() as session:
        gateway.append(session, Entry(event=Event.AUDIT_EXPORTED, actor=actor_of(caller)), decision)
    policy = policy_text(gateway)
    with gateway.reading() as session:
        newest = logs(session.connection())[-1]
        return write_bundle(session.connection(), newest.log, out, policy=policy)
