"""Consents that end without anybody withdrawing them: with their last day, purpose or key.

And what is kept under those of a site whose processor agreement ended.
"""

from datetime import date, timedelta

from sqlalchemy import delete
from sqlmodel import col, select

from gateway.consent_keys import destroy_keys, has_key, keys_of
from gateway.consents import PURPOSE, keep_events
from gateway.context import Gateway
from gateway.register import agreed
from gateway.standing import Standing, standing_in, standings
from gateway.store import Agreement, ConsentedHealth, ConsentRecord
from policies.consent import Event, Expired, Narrowed, Stage, happened
from policies.purpose import Purpose
from policies.withdrawal import to_expire


def expire(gateway: Gateway) -> int:
    """End every consent whose last day has passed, and what was given once its purpose ended.

    Event, key, notice; returns how many, and doing it again ends none. A question nobody answered has its own last day.
    A key that could not be destroyed when its consent ended or was narrowed is destroyed too.
    """
    with gateway.reading() as session:
        found = standings(session, session.exec(select(ConsentRecord.id)).all(), gateway.clock())
    over = set(to_expire({one.id: one.events for one in found}, gateway.clock()))
    if _is_over(gateway.law.purposes[PURPOSE], gateway.today):
        over |= {one.id for one in found if _holds(one)}
    for consent_id in sorted(over):
        with gateway.writing() as session:
            session.get(ConsentRecord, consent_id, with_for_update=True)
            standing = standing_in(session, consent_id, gateway.clock())
            if standing.events and not standing.state.closed:  # not when it was ended, or erased, by another just now
                keep_events(gateway, session, standing, _ending(gateway, standing), None)
    ended = {one.id for one in found if one.state.closed} | over
    destroy_keys(gateway, ended=ended, narrowed={one.id for one in found} - ended)
    return len(over)


def empty(gateway: Gateway) -> None:
    """Erase what was sent under consents of sites without a processor agreement, keys included (AVG art. 28(3)(g)).

    Like rows of pupils it goes with the entry of the run alone: entries of each consent so soon after that of the
    agreement, which names the site, would tell whose they are. A consent that nobody withdrew runs out on its own last
    day, and under another agreement it holds again, with a key of its own.
    """
    with gateway.reading() as session:
        rows = session.exec(select(ConsentRecord).where(col(ConsentRecord.site).not_in(agreed(gateway.today))))
        left = [row.id for row in rows if keys_of(gateway, row)]
    doomed = [key_id for consent_id in left for key_id in _emptied(gateway, consent_id)]
    if doomed:
        gateway.consent_keys.destroy(*doomed)


def _emptied(gateway: Gateway, consent_id: str) -> list[str]:
    """The keys of a consent under which nothing is kept any more; none where its site has an agreement again."""
    with gateway.writing() as session:
        row = session.get(ConsentRecord, consent_id, with_for_update=True)
        if row is None or session.exec(agreed(gateway.today).where(Agreement.site == row.site)).first() is not None:
            return []
        session.execute(delete(ConsentedHealth).where(col(ConsentedHealth.consent_id) == consent_id))
        row.key_id = ""
        return keys_of(gateway, row)


def end_keyless(gateway: Gateway) -> int:
    """After a restore: end what was given and whose key is gone, because it ended after the backup; returns how many.

    Who ended it is not in the backup: it runs out. What had no key then lost none (`empty`), and goes on.
    """
    with gateway.reading() as session:
        had = session.exec(select(ConsentRecord).where(ConsentRecord.key_id != "")).all()
        ids = [row.id for row in had if not has_key(gateway, row)]
        lost = [one for one in standings(session, ids, gateway.clock()) if _holds(one)]
    for standing in lost:
        with gateway.writing() as session:
            keep_events(gateway, session, standing, _ending(gateway, standing), None)
    return len(lost)


def _is_over(purpose: Purpose, today: date) -> bool:
    """Whether the law ended the purpose; not that it is refused otherwise, for nothing gives a consent back."""
    return purpose.status.off or purpose.valid_until <= today


def _holds(standing: Standing) -> bool:
    """Whether it was given, and no event ended it."""
    return standing.state.given and not standing.state.closed


def _ending(gateway: Gateway, standing: Standing) -> list[Event]:
    """The last events: what has not run out by itself is narrowed to the day before, and then runs out."""
    now, terms = happened(standing.events, gateway.clock()), standing.state.terms
    if standing.state.stage is Stage.EXPIRED or terms is None:
        return [Expired(at=now)]
    sooner = Narrowed(at=now, scope=terms.scope, last_day=gateway.today - timedelta(days=1))
    return [sooner, Expired(at=now)]
