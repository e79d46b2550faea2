"""What the rules read of a purpose, and what a permit asks in return: both straight from the purpose file."""

from collections.abc import Callable, Mapping

from policies.purpose import NEVER, InForce, Purpose, Status
from policies.things import Fact, plain


def terms(purpose: Purpose, word: InForce | None) -> dict[str, Fact]:
    """A purpose in the words of the rules; `in_force_from` is the operator's day for a proposed one."""
    start = purpose.valid_from if purpose.status is Status.IN_FORCE else NEVER
    return {
        "id": purpose.id,
        "status": purpose.status.value,
        "valid_from": plain(purpose.valid_from),
        "valid_until": plain(purpose.valid_until),
        "in_force_from": plain(word.from_date if word else start),
        "outside": purpose.outside is not None,
        "senders": plain(purpose.senders),
        "recipients": plain(purpose.recipients),
        "collections": plain(purpose.collections),
        "data": plain(purpose.data),
        "levels": plain(purpose.levels),
        "minimum": purpose.release.minimum if purpose.release else 0,
        "approvals": purpose.four_eyes.approvals,
    }


def _release(name: str) -> Callable[[Purpose], int | None]:
    return lambda purpose: None if purpose.release is None else int(getattr(purpose.release, name))


OBLIGATIONS: Mapping[str, Callable[[Purpose], int | None]] = {
    "minimum": _release("minimum"),
    "zeros_are_small": _release("zeros_are_small"),
    "complements": _release("complements"),
    "min_denominator": _release("min_denominator"),
    "approvals": lambda purpose: purpose.four_eyes.approvals,
    "retention_days": lambda purpose: purpose.retention.days if purpose.retention else None,
}
