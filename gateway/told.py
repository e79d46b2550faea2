"""After a restore: the operator's word on what was published since the backup, of which the database knows nothing."""

from collections.abc import Sequence

from sqlmodel import Session

from audit.entry import Actor, Entry
from audit.events import Event
from gateway.budgets import ReleasedSince
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.periods import is_school_year, period_fault, school_year
from gateway.publish.ledger import remember, restored_within
from policies.decision import Decision
from policies.question import Action


def tell(desk: Desk, year: str, published: Sequence[str] = ()) -> ReleasedSince | Refused:
    """Say which periods of a school year were published since the backup; of the others nothing was.

    From then on releases of that year are built and published again, but for those periods: their readers have what
    was published, and another version beside it is not examined. Where there are any, the year goes on as if they had
    left as the purpose files say now: no sector leaves in another way; noise it has none left in any case. The log gets
    an entry of the year and one of each such period. What was said stays, so where no restore can have forgotten
    anything of that year it is refused.
    """
    gateway = desk.gateway
    kinds = gateway.contracts.values()
    known = [code for code in published if any(period_fault(code, one) is None for one in kinds)]
    if not is_school_year(year) or [code for code in known if school_year(code) == year] != list(published):
        return Refused("unknown-period")

    def act(session: Session, actor: Actor, decision: Decision) -> ReleasedSince | Refused:
        if restored_within(session, year) is None:
            return Refused("nothing-forgotten")
        told = session.get(ReleasedSince, year) or ReleasedSince(school_year=year, told_at=gateway.clock(), periods="")
        told.told_at = gateway.clock()
        told.periods = " ".join(sorted({*told.periods.split(), *published}))
        session.add(told)
        for table in sorted({contract.table for contract in gateway.contracts.values()}) if published else ():
            purposes = gateway.law.purposes.releasing(table)
            if purposes:
                remember(session, gateway.law.purposes.plan(purposes), year)
        for told_of in (year, *published):
            gateway.append(session, Entry(event=Event.SETTING_CHANGED, actor=actor, period=told_of), decision)
        return told

    return desk.act(Action.MANAGE_KEYS, act)
