"""Whom to believe: the policy file (C2SP tlog-policy) that names logs, witnesses and how many of them suffice.

One line more than the specification: `receipt <vkey>` names a key that signs receipts, the one in use first. Logs that
follow one another (a school year each, or after a restore) have names of their own and share a key; of witnesses a key
counts once.
"""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from typing import Final

from audit.errors import NoteError
from audit.note import ED25519, ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE, Key

NONE: Final = "none"
_WITNESS_KINDS: Final = (ED25519_COSIGNATURE, ML_DSA_44_COSIGNATURE)


@dataclass(frozen=True, slots=True)
class Witness:
    """A witness: the name the policy uses, its key, and where its submission prefix is, if known."""

    name: str
    key: Key
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Counts as a witness when at least `threshold` of its members do."""

    threshold: int
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Policy:
    """Keys that are accepted and the quorum of witnesses; made by `parse_policy`."""

    logs: tuple[Key, ...] = ()
    receipts: tuple[Key, ...] = ()
    witnesses: tuple[Witness, ...] = ()
    groups: dict[str, Group] = field(default_factory=dict)
    quorum: str = NONE

    def is_met(self, cosigners: Collection[Key]) -> bool:
        """Whether these cosigners together are enough."""
        if self.quorum == NONE:
            return True
        seen = {witness.name: witness.key in cosigners for witness in self.witnesses}
        for name, group in self.groups.items():
            seen[name] = sum(seen[member] for member in group.members) >= group.threshold
        return seen[self.quorum]

    def witness_keys(self) -> tuple[Key, ...]:
        """Keys of all known witnesses."""
        return tuple(witness.key for witness in self.witnesses)


def parse_policy(text: str) -> Policy:
    """Read a policy file.

    Raises:
        NoteError: A line is wrong; the message names the line, what is wrong and what it should be.
    """
    draft = _Draft()
    for number, line in enumerate(text.split("\n"), start=1):
        words = line.split()
        if not "".join(words).isprintable():
            raise NoteError(f"policy file, line {number}: a character that cannot be seen: type the line anew")
        if not words or words[0].startswith("#"):
            continue
        try:
            draft.add(words[0], words[1:])
        except NoteError as error:
            raise NoteError(f"policy file, line {number}: {error}") from None
    if draft.quorum is None:
        raise NoteError("policy file: the line `quorum <name>` or `quorum none` is missing")
    return Policy(tuple(draft.logs), tuple(draft.receipts), tuple(draft.witnesses), draft.groups, draft.quorum)


class _Draft:
    """A policy that is being read; names refer to lines above only."""

    def __init__(self) -> None:
        self.logs: list[Key] = []
        self.receipts: list[Key] = []
        self.witnesses: list[Witness] = []
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self._free: set[str] = set()  # witnesses and groups that are in no group yet
        self._known: set[str] = set()

    def add(self, kind: str, words: list[str]) -> None:
        lines: dict[str, Callable[[list[str]], None]] = {
            "log": self._log,
            "receipt": self._receipt,
            "witness": self._witness,
            "group": self._group,
            "quorum": self._quorum,
        }
        if kind not in lines:
            raise NoteError("a line starts with log, receipt, witness, group or quorum")
        lines[kind](words)

    def _log(self, words: list[str]) -> None:
        if len(words) not in {1, 2}:
            raise NoteError("write `log <vkey> [<url>]`")
        key = _key(words[0], (ED25519,), ())
        if key in self.logs:
            raise NoteError("this log stands there already")
        self.logs.append(key)

    def _receipt(self, words: list[str]) -> None:
        if len(words) != 1:
            raise NoteError("write `receipt <vkey>`")
        self.receipts.append(_key(words[0], (ED25519,), self.receipts))

    def _witness(self, words: list[str]) -> None:
        if len(words) not in {2, 3}:
            raise NoteError("write `witness <name> <vkey> [<url>]`")
        key = _key(words[1], _WITNESS_KINDS, [each.key for each in self.witnesses])
        self._name(words[0])
        self.witnesses.append(Witness(words[0], key, words[2] if words[2:] else None))

    def _group(self, words: list[str]) -> None:
        name, rule, members = (words[0], words[1], words[2:]) if words[1:] else ("", "", [])
        if not members or len(set(members)) != len(members) or not self._free.issuperset(members):
            raise NoteError("write `group <name> all|any|<k> <name>…` with names of lines above, each in one group")
        thresholds = {"all": len(members), "any": 1} | {str(many): many for many in range(1, len(members) + 1)}
        if rule not in thresholds:
            raise NoteError(f"a group of {len(members)} asks for 1 to {len(members)} of them")
        self._name(name)
        self._free -= set(members)
        self.groups[name] = Group(thresholds[rule], tuple(members))

    def _quorum(self, words: list[str]) -> None:
        if self.quorum is not None or len(words) != 1 or words[0] not in self._known | {NONE}:
            raise NoteError("write one `quorum <name>`, with the name of a witness or group above, or `quorum none`")
        self.quorum = words[0]

    def _name(self, name: str) -> None:
        if name == NONE or name in self._known:
            raise NoteError("each witness and group has a name of its own, and not `none`")
        self._known.add(name)
        self._free.add(name)


def _key(text: str, kinds: Collection[int], others: Iterable[Key]) -> Key:
    key = Key.parse(text)
    if key.kind not in kinds:
        raise NoteError("a log or receipt key has type 01, a witness key type 04 or 06")
    if any(key.public == other.public for other in others):
        raise NoteError("this public key stands there already")
    return key
