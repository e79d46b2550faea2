"""Number changes: a pupil goes on under a new number, on the word of the own school.

The document holds two pseudonyms a pupil, and never a number (`pseudonymisation.client.change_numbers` makes it):

    {"collection": "number-changes", "site": "00AB00", "period": "2026-2027-1", "key_id": "…",
     "changes": [{"old": "86 characters", "new": "86 characters"}]}
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select
from sqlmodel import col

from audit.entry import Entry
from audit.events import Event
from gateway.context import Gateway
from gateway.database import forget_log
from gateway.identity import Identity
from gateway.matter import Matter, decide_on, hold, look_up, refuse, rows_are_over
from gateway.outcome import CHANGED, Fault, Refused, Report, malformed
from gateway.periods import ROWS, school_year
from gateway.prepared import hold_pids, hold_versions, in_use
from gateway.store import Enrolment, Period, Submission, table_of
from policies.decision import Decision, Deny, Permit
from policies.question import Action
from policies.sources import misfits
from pseudonymisation import rotation
from pseudonymisation.domain import Domain
from pseudonymisation.errors import MalformedError
from pseudonymisation.pseudonym import pids_along, read_pseudonym

MOST = 5_000
MOST_BYTES = 2_000_000
# Those of the largest document there is: of each value that was not expected pydantic keeps an error of 900 bytes.
_MOST_COMMAS = 2 * MOST + len(("collection", "site", "period", "key_id", "changes"))
Pair = tuple[bytes, bytes]


class NumberChange(BaseModel):
    """The two pseudonyms of a pupil."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    old: str = Field(repr=False)
    new: str = Field(repr=False)


class NumberChanges(BaseModel):
    """The document: pupils of a site that go on under a new number."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    collection: Literal["number-changes"]
    site: str = Field(pattern="^[0-9]{2}[A-Z]{2}[0-9]{2}$")
    period: str = Field(pattern="^20[0-9]{2}-20[0-9]{2}(-[1-4])?$")
    key_id: str = Field(max_length=40)
    changes: Annotated[tuple[NumberChange, ...], Field(min_length=1, max_length=MOST)]


@dataclass(frozen=True, slots=True)
class Changed:
    """How many pupils were in the document, and how many stored rows of this school year go on under a new pid."""

    pupils: int
    rows: int


def change_numbers(gateway: Gateway, identity: Identity, body: bytes) -> Changed | Refused:
    """Let stored rows of a site go on under the new numbers of its pupils, all of them or none.

    Steps: (1) read the document strictly; (2) the law decides as on a delivery of records of that period, in whatever
    collection; (3) the pids of both numbers, under the key in use and those it followed; (4) one transaction: rows of
    the own site and that school year only, and the entry. Where another key came into use between (3) and (4) nothing
    is changed, and the same call can succeed.
    """
    if len(body) > MOST_BYTES or body.count(b",") > _MOST_COMMAS:  # (1)
        return malformed([("changes", "too_long")])
    try:
        document = NumberChanges.model_validate_json(body)
        pairs = [(read_pseudonym(change.old), read_pseudonym(change.new)) for change in document.changes]
    except ValidationError as error:
        return malformed(misfits(error))
    except MalformedError:
        return _fault("PSEUDONYM-FORM")
    decided = [(matter, decide_on(gateway, matter, Action.SUBMIT)) for matter in _matters(gateway, identity, document)]
    if not decided:  # (2)
        return Refused("unknown-period")
    matter, decision = next((one for one in decided if isinstance(one[1], Permit)), decided[0])
    if isinstance(decision, Deny):
        return refuse(gateway, matter, decision)
    known = document.key_id in matter.keys
    made = _pids(gateway, matter, pairs) if known else _fault("KEY-UNKNOWN")  # (3)
    done = made if isinstance(made, Refused) else _store(gateway, identity, matter, decision, made)  # (4)
    if isinstance(done, Refused):
        undone = Entry(event=Event.SUBMISSION_REFUSED, actor=matter.actor, period=matter.period.code)
        gateway.log_undone(undone, decision)
    return done


def _fault(rule: str, *, row: int = 0) -> Refused:
    return Refused("faults-in-request", report=Report.of([Fault(rule, row=row)]))


def _matters(gateway: Gateway, identity: Identity, document: NumberChanges) -> list[Matter]:
    """Deliveries of records that the document can stand beside: one for each collection that has such a period."""
    names = [name for name, contract in gateway.contracts.items() if contract.collection.form == "records"]
    about = {"site": document.site, "period": document.period}
    with gateway.reading() as session:
        found = [look_up(gateway, session, identity, collection=name, **about) for name in names]
    return [one for one in found if isinstance(one, Matter)]


def _pids(gateway: Gateway, matter: Matter, pairs: Sequence[Pair]) -> Mapping[str, Sequence[Pair]] | Refused:
    """Key id → pids of both numbers, the key in use last; the pseudonyms go no further than this function."""
    if rows_are_over(gateway, matter):
        return Refused("rows-erased")
    domain = Domain(ROWS, school_year(matter.period.code))
    key = in_use(gateway.keyring, ROWS, domain.school_year, gateway.keyring.chain)
    if isinstance(key, Refused):
        return key
    key_id, chain = key
    old, new = (pids_along(chain, domain, column) for column in zip(*pairs, strict=True))
    under = [list(zip(*both, strict=True)) for both in zip(old, new, strict=True)]
    return dict(zip(gateway.keyring.links(key_id), under, strict=True))


def _store(
    gateway: Gateway, identity: Identity, matter: Matter, decision: Decision, made: Mapping[str, Sequence[Pair]]
) -> Changed | Refused:
    site, year, rows = matter.caller.acting.code, school_year(matter.period.code), 0
    own = select(col(Submission.id)).join(Period).where(col(Submission.site) == site, col(Period.code).startswith(year))
    with gateway.writing() as session:
        hold_pids(session, year)
        if (refused := hold(gateway, session, identity, matter)) is not None:
            return refused
        hold_versions(session, year, col(Submission.site) == site)
        current = gateway.keyring.active(ROWS, year)
        if current is None or current.key_id not in made:
            return CHANGED
        table = table_of(Enrolment)
        unit, within = table.c.submission_id, table.c.submission_id.in_(own)
        for key_id, pairs in made.items():
            outcome = rotation.change_numbers(
                session.connection(), table, key_id=key_id, pairs=pairs, unit=unit, within=within
            )
            if isinstance(outcome, rotation.NumberConflict):
                session.rollback()
                return _fault(f"CHANGE-{outcome.reason.upper()}", row=outcome.index + 1)
            rows += outcome
        entry = Entry(event=Event.PSEUDONYM_MERGED, actor=matter.actor, party=site, period=matter.period.code)
        gateway.append(session, entry, decision)
    forget_log(gateway.database)
    return Changed(len(made[current.key_id]), rows)
