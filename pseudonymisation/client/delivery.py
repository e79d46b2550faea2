"""The front door of the client: an export in, the document `absence-records` out.

Steps; a run that stops anywhere is simply run again:

1. check every row, all faults at once;
2. take the pseudonyms that are kept already;
3. ask for the others in batches of 50, each kept before the next is asked;
4. count illness by band, here;
5. write the document whole, readable by this user only.

What the caller still owes: the document holds pseudonyms, so send it over TLS and delete it when it is delivered.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pseudonymisation.client.bands import Band, illness_counts
from pseudonymisation.client.cache import Cache
from pseudonymisation.client.mapping import ColumnMap
from pseudonymisation.client.messages import Fault, Refusal, refusal
from pseudonymisation.client.rows import PupilRow, check_rows
from pseudonymisation.client.source import Source
from pseudonymisation.domain import number_input, school_year_of
from pseudonymisation.errors import MalformedError
from pseudonymisation.private_file import write_private
from pseudonymisation.pseudonym import pseudonym_text

BATCH = 50
Progress = Callable[[int, int], None]
_SITE = re.compile(r"[0-9]{2}[A-Z]{2}[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A document that was written.

    Attributes:
        path: where.
        records: pupils in it.
        asked: how many the service converted just now, at the cost of quota.
        kept: how many were known already.
        warnings: rows to look at; they are in the document.
    """

    path: Path
    records: int
    asked: int
    kept: int
    warnings: tuple[Fault, ...]


def pseudonymise(  # long: a front door names its arguments one by one
    header: Sequence[str],
    rows: Iterable[tuple[int, Sequence[str]]],
    *,
    site: str,
    period: str,
    source: Source,
    cache: Cache,
    bands: Sequence[Band],
    output: Path,
    chosen: ColumnMap | None = None,
    offered: Collection[str] | None = None,
    progress: Progress | None = None,
) -> Delivery | Refusal:
    """Make the document of a site and period; see the steps above.

    Args:
        header: heading row of the export.
        rows: row number in the file (heading = 1) and cells as text, one row for each pupil.
        site: such as `00AB00`.
        period: such as `2026-2027-1`.
        source: where new pseudonyms come from.
        cache: of the period's school year.
        bands: bands of illness, in rising order.
        output: the file to write, 0600.
        chosen: headings and values the school adds.
        offered: subdivision codes the site offers; None if unknown here.
        progress: called with pseudonyms known and wanted.
    """
    if (problem := _misnamed(site, period)) is not None:
        return problem
    # 1.
    checked = check_rows(header, rows, chosen=chosen or ColumnMap(), offered=offered)
    if checked.faults:
        return refusal("faults", checked.faults, count=len(checked.faults))
    # 2. and 3.
    numbers = [pupil.number.digits for pupil in checked.pupils]
    known = cache.get(source.key_id, numbers)
    asked = len(numbers) - len(known)
    if (problem := _complete(known, numbers, source, cache, progress)) is not None:
        return problem
    # 4. and 5.
    document = {
        "collection": "absence-records",
        "site": site,
        "period": period,
        "key_id": source.key_id,
        "records": sorted((_record(pupil, known) for pupil in checked.pupils), key=lambda one: str(one["pseudonym"])),
        "illness_counts": illness_counts(checked.pupils, bands, offered),
    }
    write_private(output, json.dumps(document, separators=(",", ":")).encode() + b"\n")
    return Delivery(output, len(numbers), asked, len(numbers) - asked, checked.warnings)


def _complete(
    known: dict[str, bytes], numbers: Sequence[str], source: Source, cache: Cache, progress: Progress | None
) -> Refusal | None:
    """Step 3: add the pseudonyms that are missing to those that are known."""
    tell = progress or (lambda *_: None)
    wanted = [digits for digits in numbers if digits not in known]
    for start in range(0, len(wanted), BATCH):
        tell(len(known), len(numbers))
        batch = wanted[start : start + BATCH]
        made = source.evaluate([number_input(digits) for digits in batch], missing=len(wanted) - start)
        if isinstance(made, Refusal):
            return made
        fresh = dict(zip(batch, made, strict=True))
        cache.put(source.key_id, fresh)
        known |= fresh
    tell(len(known), len(numbers))
    return None


def _misnamed(site: str, period: str) -> Refusal | None:
    if not _SITE.fullmatch(site):
        return refusal("site")
    try:
        return refusal("period") if school_year_of(period) == period else None
    except MalformedError:
        return refusal("period")


def _record(pupil: PupilRow, known: dict[str, bytes]) -> dict[str, str | int | float]:
    """One pupil without number and without illness; sorted by pseudonym, the order of the export is gone too."""
    return {
        "pseudonym": pseudonym_text(known[pupil.number.digits]),
        "subdivision": pupil.subdivision,
        "hours_scheduled": _hours(pupil.scheduled),
        "hours_authorised": _hours(pupil.authorised),
        "hours_unauthorised": _hours(pupil.unauthorised),
    }


def _hours(hundredths: int) -> int | float:
    """Hours as JSON shows them: at these sizes the shortest form of the quotient is the decimal itself."""
    whole, rest = divmod(hundredths, 100)
    return whole if rest == 0 else hundredths / 100
