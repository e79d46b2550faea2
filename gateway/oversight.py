"""Who may look at the log, and what everybody gets to check it with. What officers see is in `gateway.trail`."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from audit.entry import Actor
from audit.errors import LogBrokenError, LogExpiredError, NoteError, NotLoggedError
from audit.monitoring import continue_from
from audit.note import parse_note
from audit.proofs import LogState, logs
from audit.retention import is_over
from gateway.context import ACCOUNTABILITY, Gateway, KeepsLog, allowed
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.periods import is_school_year
from gateway.store import Party
from gateway.witnesses import former_receipts, quorum_text, raise_alarm
from policies.decision import Permit
from policies.parties import Kind
from policies.question import Action
from policies.things import Records, Thing

WHOLE_LOG = "log:audit"
"""What a check or review of every entry is about; a check of one entry is about that, a review of own entries none."""


def policy_text(gateway: KeepsLog) -> str:
    """Whom to believe: the keys of the logs and of receipts, and the quorum of witnesses, as a policy file."""
    with gateway.reading() as session:
        keys = [state.key for state in logs(session.connection())]
    given = [str(gateway.receipts.key)] if gateway.receipts else []
    receipts = dict.fromkeys([*given, *former_receipts(gateway.home)])  # the one in use first
    lines = [f"log {key}" for key in keys] + [f"receipt {key}" for key in receipts]
    return "".join(f"{line}\n" for line in lines) + quorum_text(gateway.home)


def kept_logs(connection: Connection) -> list[LogState]:
    """Every log whose retention has not ended, oldest first."""
    return [each for each in logs(connection) if not is_over(connection, each.log)]


def logs_called(connection: Connection, name: str) -> Sequence[int] | Refused:
    """The logs that a name means: a number, an origin or the end of one; a school year, every log of that year.

    A year has several logs after a backup was restored or a key renewed in it. Of a log whose retention has ended
    nothing is there to show, which nobody may take for a year in which nothing was done.
    """

    def means(log: LogState) -> bool:
        in_year = is_school_year(name) and f"/{name}/" in log.origin
        return in_year or name in (str(log.log), log.origin) or log.origin.endswith(f"/{name}")

    called = [each.log for each in logs(connection) if means(each)]
    over = [str(log) for log in called if is_over(connection, log)]
    if over:
        return Refused("log-expired", facts={"logs": ", ".join(over)})
    return called or Refused("not-found")


def go_on_from(gateway: KeepsLog, seen: str) -> str | Refused:
    """The proof that the log only grew since a checkpoint somebody kept: so everybody is a monitor.

    When the log signed that checkpoint and holds another history, or a shorter one, the alarm is raised.
    """
    try:
        with gateway.reading() as session:
            return str(continue_from(session.connection(), seen, gateway.log.clock()))
    except NoteError:
        return Refused("checkpoint-unknown")
    except LogExpiredError:
        return Refused("checkpoint-expired")
    except (LogBrokenError, NotLoggedError):
        raise_alarm(gateway, "a monitor", parse_note(seen).text)
        return Refused("checkpoint-contradicted")


def as_officer(gateway: Gateway, identity: Identity) -> Identity:
    """A machine whose token was made for the log (scope `audit`) acts for the officer of its party."""
    if identity.person is not None or "audit" not in identity.scopes:
        return identity
    with gateway.reading() as session:
        party = session.get(Party, identity.party)
    of_controller = party is not None and party.kind == Kind.MINISTER
    return replace(identity, role="controller-officer" if of_controller else "privacy-officer")


def may(
    gateway: Gateway, identity: Identity, action: Action, about: Thing | None = None
) -> tuple[Actor, Permit] | Refused:
    """Whether somebody may look; without `about`, at entries: an officer at the own party's, or at all."""
    return allowed(gateway, identity, action, about or Records(party=scope_of(identity)), ACCOUNTABILITY)


def scope_of(identity: Identity) -> str:
    """Whose entries an officer sees: those of the own organisation; empty, all, for the controller's officer."""
    return "" if identity.role == "controller-officer" else identity.party
