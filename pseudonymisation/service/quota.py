"""How many new elements a site may have evaluated in a school year: what makes guessing numbers hopeless.

A school of 340 pupils gets 433 evaluations: 0.0005 % of the 91 million numbers there are.
"""

from enum import StrEnum

SPARE = 25
MAX_GRANT = 10_000


class GrantReason(StrEnum):
    """Why a quota was enlarged; a closed list, because the log holds no free text."""

    PUPILS_ARRIVED = "pupils-arrived"
    CACHE_LOST = "cache-lost"
    SYSTEM_CHANGED = "system-changed"
    KEY_REPLACED = "key-replaced"
    SERVICE_RESTORED = "service-restored"


def base_quota(pupils: int) -> int:
    """`ceil(1.2 × registered pupils) + 25`, in integers."""
    return -(-12 * pupils // 10) + SPARE
