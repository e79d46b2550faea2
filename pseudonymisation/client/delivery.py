"""The front door of the client: an export in, the document `absence-records` out.

Steps; a run that stops anywhere is simply run again:

1. check every row, all faults at once;
2. take the pseudonyms that are kept already;
3. ask for the others in batches of 50, each kept before the next is asked;
4. count illness by band, here;
5. write the document whole, readable by this user only.

What the caller still owes: the document holds pseudonyms, so send it over TLS and delete it when it is delivered.
"""

from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from pseudonymisation.client.bands import Band, illness_counts
from pseudonymisation.client.cache import Cache
from pseudonymisation.client.lookup import Delivery, Progress, misnamed, pseudonyms_of, write_document
from pseudonymisation.client.mapping import ColumnMap
from pseudonymisation.client.messages import Refusal, refusal
from pseudonymisation.client.rows import PupilRow, check_rows
from pseudonymisation.client.source import Source
from pseudonymisation.pseudonym import pseudonym_text


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
    if (problem := misnamed(site, period)) is not None:
        return problem
    # 1.
    checked = check_rows(header, rows, chosen=chosen or ColumnMap(), offered=offered)
    if checked.faults:
        return refusal("faults", checked.faults, count=len(checked.faults))
    # 2. and 3.
    numbers = [pupil.number.digits for pupil in checked.pupils]
    found = pseudonyms_of(numbers, source, cache, progress)
    if isinstance(found, Refusal):
        return found
    # 4. and 5.
    document = {
        "collection": "absence-records",
        "site": site,
        "period": period,
        "key_id": source.key_id,
        "records": sorted(
            (_record(pupil, found.pseudonyms) for pupil in checked.pupils), key=lambda one: str(one["pseudonym"])
        ),
        "illness_counts": illness_counts(checked.pupils, bands, offered),
    }
    if (problem := write_document(output, document)) is not None:
        return problem
    return Delivery(output, len(numbers), found.asked, len(numbers) - found.asked, checked.warnings)


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
