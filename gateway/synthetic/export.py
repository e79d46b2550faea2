"""Files as schools make them: the statutory counts, and the export of a school's own system with its numbers."""

from gateway.collections import Contract
from gateway.records.counts import COLUMNS
from gateway.synthetic.pupils import Pupils, count

HEADINGS = ("Onderwijsnummer", "Onderwijssoort", "Lesuren", "Geoorloofd", "Waarvan ziekte", "Ongeoorloofd")


def counts_csv(pupils: Pupils, contract: Contract) -> bytes:
    """The counts of a site as it delivers them: `;`, UTF-8."""
    rows = [COLUMNS, *count(pupils, contract)]
    return "\n".join(";".join(map(str, row)) for row in rows).encode() + b"\n"


def school_export(pupils: Pupils) -> bytes:
    """One row per pupil with the raw number: what never leaves a school. Decimal comma, as Dutch packages write."""
    rows = [";".join(HEADINGS)]
    for i, number in enumerate(pupils.numbers.tolist()):
        hours = (pupils.scheduled[i], pupils.authorised[i], pupils.illness[i], pupils.unauthorised[i])
        texts = (f"{value // 100},{value % 100:02}" for value in hours)
        rows.append(";".join((str(number), pupils.subdivisions[pupils.subdivision[i]], *texts)))
    return "\n".join(rows).encode() + b"\n"
