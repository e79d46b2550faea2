"""How a consent stands: what happened to it, folded to a state, of one or of all that somebody may know of."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from gateway.store import ConsentEvent, ConsentRecord
from policies.consent import EVENTS, BrokenHistory, Confirmed, Event, Given, Signature, State, fold, happened

_AT_ONCE = 500  # databases take no statement that names all of a country
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """A consent as it stands: its id, its site, its events and their fold; `asked_again` under a key used before."""

    id: str
    site: str
    key_id: str
    events: tuple[Event, ...]
    state: State
    asked_again: bool = False

    def signatures(self) -> tuple[Signature, ...]:
        """Who consented, and the pupil who confirmed since growing older."""
        said_yes = (event for event in self.events if isinstance(event, Given | Confirmed))
        return tuple(signature for event in said_yes for signature in event.signatures)


def standing_in(session: Session, consent_id: str, now: datetime) -> Standing:
    """A consent as it is in a transaction.

    Raises:
        BrokenHistory: its events contradict each other.
    """
    row = session.get(ConsentRecord, consent_id)
    if row is None:
        return Standing(consent_id, "", "", (), State())
    return _folded(row, events_of(session, consent_id), now)


def standings(session: Session, consent_ids: Sequence[str], now: datetime) -> list[Standing]:
    """Consents as they are; one whose events contradict each other is reported and left out: it stops no other."""
    found = []
    for first in range(0, len(consent_ids), _AT_ONCE):
        ids = consent_ids[first : first + _AT_ONCE]
        told = _texts(session, ids)
        these = select(ConsentRecord).where(col(ConsentRecord.id).in_(ids)).order_by(ConsentRecord.id)
        for each in session.exec(these):
            try:
                found.append(_folded(each, _parsed(told[each.id]), now))
            except BrokenHistory:
                _logger.exception("nothing is done under consent %s, for its events contradict each other", each.id)
    return found


def events_of(session: Session, consent_id: str) -> tuple[Event, ...]:
    """What happened to a consent."""
    return _parsed(_texts(session, [consent_id])[consent_id])


def _texts(session: Session, consent_ids: Iterable[str]) -> Mapping[str, list[str]]:
    """Events of consents as they were written, the first one first."""
    told: defaultdict[str, list[str]] = defaultdict(list)
    query = select(ConsentEvent.consent_id, ConsentEvent.event).where(col(ConsentEvent.consent_id).in_(consent_ids))
    for consent_id, text in session.exec(query.order_by(col(ConsentEvent.number))):
        told[consent_id].append(text)
    return told


def _parsed(texts: Iterable[str]) -> tuple[Event, ...]:
    return EVENTS.validate_json(f"[{','.join(texts)}]")


def _folded(row: ConsentRecord, events: tuple[Event, ...], now: datetime) -> Standing:
    return Standing(row.id, row.site, row.key_id, events, fold(events, happened(events, now)))
