"""A decision is a value with its grounds: `Permit` or `Deny`, never a truth value."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NoReturn

from policies.errors import PolicyError
from policies.question import Action
from policies.sources import Text


class Reason(StrEnum):
    """Why nothing is permitted, as far as the caller may know.

    `NOT_FOUND` is the answer for what is unknown and for what belongs to another: the two cannot be told apart.
    `FAULT` is a failure of the engine itself, which also permits nothing.
    """

    NOT_FOUND = "not-found"
    FORBIDDEN = "forbidden"
    NO_PERMIT = "no-permit"
    UNKNOWN_PURPOSE = "unknown-purpose"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Ground:
    """A rule or purpose that decided, with its citation.

    Attributes:
        rule: id of the rule, or `purpose:` and the id of the purpose.
        legal_basis: article, in both languages.
        source: key of `sources.toml`, with the paragraph.
        status: in_force, proposed, undecided or refused.
        explanation: what it means, in both languages.
    """

    rule: str
    legal_basis: Text
    source: str
    status: str
    explanation: Text


@dataclass(frozen=True, slots=True)
class Obligation:
    """What a permit asks in return, from the purpose file: `minimum` 5, `retention_days` 30 and so on."""

    purpose: str
    name: str
    value: int


@dataclass(frozen=True, slots=True)
class NearMiss:
    """The permit that came closest, and what it still asked for: only from facts the caller has itself."""

    rule: str
    missing: tuple[Text, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """Which law decided: the name of the set of policies and the SHA-256 of all its files in canonical form."""

    id: str
    sha256: str


@dataclass(frozen=True, slots=True)
class _Decision:
    """What both outcomes have: the act, its purposes, the grounds on which it was decided, and the policy's version.

    A refusal has the one purpose that refused, whatever else was asked, and of the grounds only the rules that refused:
    the legal bases of the purpose speak for the act.
    """

    action: Action
    purposes: tuple[str, ...]
    grounds: tuple[Ground, ...]
    policy: Version

    @property
    def rules(self) -> tuple[str, ...]:
        """Ids of the rules that decided, in a fixed order; purposes are grounds, not rules."""
        return tuple(dict.fromkeys(g.rule for g in self.grounds if not g.rule.startswith("purpose:")))

    def __bool__(self) -> NoReturn:
        raise PolicyError("a decision is a value, not a truth value: use isinstance(decision, Permit)")


@dataclass(frozen=True, slots=True)
class Permit(_Decision):
    """The act may be done, and what it asks in return."""

    obligations: tuple[Obligation, ...] = ()

    @property
    def verdict(self) -> str:
        """The word for the audit entry."""
        return "permit"


@dataclass(frozen=True, slots=True)
class Deny(_Decision):
    """The act may not be done; `why` is what the caller may be told."""

    reason: Reason = Reason.FAULT
    why: tuple[Text, ...] = ()
    near: NearMiss | None = None

    @property
    def verdict(self) -> str:
        """The word for the audit entry: a failing engine is an error, a refusal is not."""
        return "error" if self.reason is Reason.FAULT else "deny"


Decision = Permit | Deny
