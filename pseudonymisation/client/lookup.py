"""From numbers to pseudonyms: what is kept first, then the service, in batches of 50 that are each kept at once.

A blind cannot be stored, so a run that is killed loses the batch it was in; 50 is what that may cost of the quota.
"""

import json
import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pseudonymisation.client.cache import Cache
from pseudonymisation.client.messages import Fault, Refusal, refusal
from pseudonymisation.client.source import Source
from pseudonymisation.domain import number_input, school_year_of
from pseudonymisation.errors import MalformedError
from pseudonymisation.private_file import write_private

BATCH = 50
Progress = Callable[[int, int], None]
_SITE = re.compile(r"[0-9]{2}[A-Z]{2}[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A document that was written.

    Attributes:
        path: where.
        records: pupils in it.
        asked: how many numbers the service converted just now, at the cost of quota.
        kept: how many were known already.
        warnings: rows to look at; they are in the document.
        rows: of number changes, the row in the school's list of each pair, in the order of the document.
    """

    path: Path
    records: int
    asked: int
    kept: int
    warnings: tuple[Fault, ...]
    rows: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """The pseudonyms by number, not shown in `repr`, and how many were asked."""

    pseudonyms: dict[str, bytes] = field(repr=False)
    asked: int


def pseudonyms_of(numbers: Sequence[str], source: Source, cache: Cache, progress: Progress | None) -> Found | Refusal:
    """The pseudonym of every number; a disk that is full or a cache in use is a refusal.

    Args:
        numbers: nine digits each, all different.
        source: where new pseudonyms come from.
        cache: of the school year.
        progress: called with pseudonyms known and wanted.
    """
    try:
        return _complete(numbers, source, cache, progress or (lambda *_: None))
    except sqlite3.Error:
        return refusal("cache-failed", file=cache.name)


def _complete(numbers: Sequence[str], source: Source, cache: Cache, tell: Progress) -> Found | Refusal:
    known = cache.get(source.key_id, numbers)
    wanted = [digits for digits in numbers if digits not in known]
    asked = 0
    for start in range(0, len(wanted), BATCH):
        tell(len(known), len(numbers))
        batch = wanted[start : start + BATCH]
        with cache.alone():  # another run may have had it made since, and what is asked twice is paid twice
            known |= cache.get(source.key_id, batch)
            missing = [digits for digits in batch if digits not in known]
            if not missing:
                continue
            left = len(missing) + len(wanted[start + BATCH :])
            made = source.evaluate([number_input(digits) for digits in missing], missing=left)
            if isinstance(made, Refusal):
                return made
            fresh = dict(zip(missing, made, strict=True))
            cache.put(source.key_id, fresh)
        known |= fresh
        asked += len(fresh)
    tell(len(known), len(numbers))
    return Found(known, asked)


def misnamed(site: str, period: str) -> Refusal | None:
    """Why a site or period cannot be one, if so."""
    if not _SITE.fullmatch(site):
        return refusal("site")
    try:
        return refusal("period") if school_year_of(period) == period else None
    except MalformedError:
        return refusal("period")


def write_document(path: Path, document: Mapping[str, object]) -> Refusal | None:
    """Write a document whole, readable by this user only; or why that is not possible."""
    try:
        write_private(path, json.dumps(document, separators=(",", ":")).encode() + b"\n")
    except OSError:
        return refusal("output-unwritable", file=path.name)
    return None
