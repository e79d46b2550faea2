"""The law this gateway worked with, version by version, with an entry for each.

One is kept when a process first loads it, and of the day that a purpose starts or ends by the date it was given.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Literal

from sqlmodel import Session, col, select

from audit.entry import Entry, Object, Policy
from audit.events import Event
from audit.timeline import Filter, find
from gateway.context import Gateway
from gateway.database import take_turns
from gateway.shelf import LawVersion
from policies.days import beginning_of, local_day
from policies.register import digest, register_document

Json = Mapping[str, Any]
_EVERY = 10_000  # entries of laws that were loaded
Kind = Literal["added", "removed", "changed", "started", "stopped"]
# What a rule or a purpose says; where it stands in a file is no part of it. Documents that were kept earlier say less.
_OF_RULE = ("effect", "status", "explanation", "sentence", "legal_basis", "source", "paragraph")
_OF_PURPOSE = (
    "purpose", "plain", "status", "why", "in_force_by", "valid_from", "valid_until", "controller", "processor",
    "data_subjects", "data", "senders", "recipients", "collections", "flows", "retention", "four_eyes", "release",
    "show", "noise", "legal_basis",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Version:
    """The law from one moment to the next.

    Attributes:
        document: The register of processing of that moment, rules included (`policies.register`).
        fits: It is what the log committed to when the law was loaded, or was not rewritten as far as it tells itself.
    """

    sha256: str
    since: datetime
    document: Json
    fits: bool = True

    @property
    def rules(self) -> Mapping[str, Json]:
        """Every rule by id."""
        return {rule["id"]: rule for rule in self.document["rules"]}

    @property
    def purposes(self) -> Mapping[str, Json]:
        """Every purpose by id; `works` says whether anything flowed under it."""
        working = {each["id"]: {**each, "works": True} for each in self.document["controller"]}
        return working | {each["id"]: {**each, "works": False} for each in self.document["switched_off"]}


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a rule or purpose says otherwise than before."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one rule or purpose.

    Attributes:
        kind: A purpose is also `started` (set in force) and `stopped`.
        now: What it says, or said last.
        parts: What changed, for `changed`.
    """

    kind: Kind
    now: Json
    parts: Sequence[Part] = ()


def keep(gateway: Gateway) -> bool:
    """Keep the law of this process as it works now, unless it is the newest that is kept; True when it was new.

    A purpose that started or ended by its date while no process kept the law did so on that day: a version for each
    such day comes first. A version and its entry are one transaction, so that the log says what was worked with.
    """
    version, fresh = gateway.law.version, False
    with gateway.writing() as session:
        take_turns(session, b"the law")  # processes of a new version start together
        newest = session.exec(select(LawVersion).order_by(col(LawVersion.id).desc()).limit(1)).first()
        before = newest and (newest.sha256, _working(json.loads(newest.document)))
        for moment in _moments(gateway, newest):
            standing = gateway.engine.standing(moment)
            document = register_document(gateway.law, on=local_day(moment), standing=standing)
            if before == (before := (version.sha256, _working(document))):
                continue
            fresh, text = True, json.dumps(document, ensure_ascii=False)
            session.add(LawVersion(sha256=version.sha256, since=moment, document=text))
            policy = Policy(version.id, bytes.fromhex(version.sha256))
            kept = Object(f"policy:{version.sha256}", bytes.fromhex(digest(document)))
            gateway.append(session, Entry(event=Event.POLICY_LOADED, actor=gateway.actor, policy=policy, object=kept))
    return fresh


def _moments(gateway: Gateway, newest: LawVersion | None) -> list[datetime]:
    """Now, after the beginnings of the days since this law was kept on which a purpose could start or end."""
    now, law = gateway.clock(), gateway.law
    missed = list[date]()
    if newest is not None and newest.sha256 == law.version.sha256:
        missed = sorted(day for day in law.dates if local_day(newest.since) < day <= local_day(now))
    return [*(beginning_of(day).astimezone(UTC) for day in missed), now]


def versions(session: Session) -> list[Version]:
    """Every version that was worked with, the newest first."""
    rows = session.exec(select(LawVersion).order_by(col(LawVersion.id).desc()))
    committed = _committed(session)
    return [_version(row, committed) for row in rows]


def version_of(session: Session, sha256: str) -> Version | None:
    """The newest version of this hash; None where it was not kept, or what is kept is not what was worked with."""
    newest = select(LawVersion).where(LawVersion.sha256 == sha256).order_by(col(LawVersion.id).desc()).limit(1)
    row = session.exec(newest).first()
    version = None if row is None else _version(row, _committed(session))
    return version if version is not None and version.fits else None


def unchanged_since(kept: Sequence[Version], rule: str) -> datetime:
    """Since when a rule of the first of these versions has said what it says.

    Args:
        kept: Versions, the newest first.
        rule: Id of a rule of the first version.
    """
    said, since = _said(kept[0].rules[rule]), kept[0].since
    for version in kept[1:]:
        if not version.fits or rule not in version.rules or _said(version.rules[rule]) != said:
            break
        since = version.since
    return since


def changed_rules(before: Version, after: Version) -> list[Change]:
    """What became of each rule between two versions, in the order of the files."""
    return list(_changed(before.rules, after.rules, _OF_RULE))


def changed_purposes(before: Version, after: Version) -> list[Change]:
    """What became of each purpose between two versions; set in force or not comes before what it says."""
    return list(_changed(before.purposes, after.purposes, _OF_PURPOSE))


def _committed(session: Session) -> Mapping[str, set[str]]:
    """Hash of a law → the hashes of documents to which the log committed when it was loaded."""
    committed: dict[str, set[str]] = {}
    for entry in find(session.connection(), Filter(event=Event.POLICY_LOADED), limit=_EVERY):
        about = entry.fields().get("object", {})
        committed.setdefault(about.get("id", "").removeprefix("policy:"), set()).add(about.get("commitment", ""))
    return committed


def _version(row: LawVersion, committed: Mapping[str, set[str]]) -> Version:
    """A kept version; one whose entry is not in order yet, or went with its log, is held against its own hash."""
    document = json.loads(row.document)
    said = digest(document)
    fits = said in committed.get(row.sha256, {document["sha256"]})
    return Version(row.sha256, row.since, document, fits)


def _working(document: Json) -> set[str]:
    """The purposes under which something flows; a date that comes changes them, and not the law's hash."""
    return {purpose["id"] for purpose in document["controller"]}


def _said(rule: Json) -> Json:
    return {name: rule[name] for name in _OF_RULE}


def _changed(before: Mapping[str, Json], after: Mapping[str, Json], names: Sequence[str]) -> Iterator[Change]:
    for key, now in after.items():
        then = before.get(key)
        if then is None:
            yield Change("added", now)
        elif then.get("works") != now.get("works"):
            yield Change("started" if now["works"] else "stopped", now)
        elif parts := [Part(n, then[n], now[n]) for n in names if n in then and n in now and then[n] != now[n]]:
            yield Change("changed", now, parts)
    yield from (Change("removed", then) for key, then in before.items() if key not in after)
