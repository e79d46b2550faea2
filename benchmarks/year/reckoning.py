"""What was promised against what is there, and what is there against what was logged."""

from collections import Counter
from dataclasses import dataclass

from sqlmodel import select

from audit.timeline import Filter, find
from gateway.app import yearly_log
from gateway.context import Gateway
from gateway.store import Submission, SubmissionState

from .deliver import Promises

ALL = 100_000_000
_KEPT = {SubmissionState.CONFIRMED, SubmissionState.REPLACED}


@dataclass(frozen=True)
class Reckoning:
    """All of it is 0 in a gateway that keeps its word.

    Attributes:
        lost: Deliveries, confirmations and withdrawals that were acknowledged and are not there.
        doubled: Deliveries that are there and nobody was told of.
        unlogged: Acts without an entry, and entries without an act; a download may have several, for one that broke off
            when its server was killed left its entry and was asked for again.
    """

    lost: int
    doubled: int
    unlogged: int


def reckon(gateway: Gateway, promises: Promises, downloads: int) -> Reckoning:
    """Hold promises, rows and entries against each other; the log is completed first."""
    sign_all(gateway)
    with gateway.reading() as session:
        states = dict(session.exec(select(Submission.id, Submission.state)).all())
        entries = {
            event: [
                str(each.fields()["object"]["id"])  # type: ignore[index]  # of these events it is there
                for each in find(session.connection(), Filter(event=event), limit=ALL)
            ]
            for event in ("submission.received", "submission.confirmed", "submission.withdrawn", "release.downloaded")
        }
    there = set(states)
    confirmed = {one for one in promises.confirmed - promises.withdrawn if states.get(one) not in _KEPT}
    withdrawn = {one for one in promises.withdrawn if states.get(one) != SubmissionState.WITHDRAWN}
    unlogged = (
        _apart(there, entries["submission.received"])
        + _apart(promises.confirmed, entries["submission.confirmed"])
        + _apart(promises.withdrawn, entries["submission.withdrawn"])
        + max(0, downloads - len(entries["release.downloaded"]))
    )
    return Reckoning(
        lost=len(promises.received - there) + len(confirmed) + len(withdrawn),
        doubled=len(there - promises.received),
        unlogged=unlogged,
    )


def _apart(acts: set[str], entries: list[str]) -> int:
    """Acts that have no entry, and entries beyond the one that each act has."""
    logged = Counter(about.removeprefix("submission:") for about in entries)
    return (Counter(acts) - logged).total() + (logged - Counter(acts)).total()


def sign_all(gateway: Gateway) -> None:
    """Let the sequencer finish: every entry that waits gets its place in a signed checkpoint."""
    sequencer = yearly_log(gateway).sequencer()
    while sequencer.step(gateway.log.clock()).sequenced:
        pass
