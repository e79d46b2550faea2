"""Everything of a table in one ZIP: each form, the data dictionary, and a signed list of what is in it.

The list is a signed note whose lines `sha256sum --check` reads:

    verzuimpoort/manifest/v1
    period 2026-2027-1
    exercise yes
    release 0123…
    rows 1234
    9f86d081…  verzuim.csv
"""

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping

from gateway.formats.dictionary import dictionary
from gateway.formats.write import FILES, Format, write_table

MANIFEST, NAME = "MANIFEST.txt", "verzuim"
# A fixed moment, the first that a ZIP can hold: equal content has to give equal bytes.
_MOMENT = (1980, 1, 1, 0, 0, 0)


def write_package(lines: bytes, about: Mapping[str, str], sign: Callable[[str], object], *, own: bool = False) -> bytes:
    """Write stored lines in every form, as one file.

    Args:
        lines: Rows as `gateway.table.encode_rows` made them.
        about: Where the table comes from: period, release, and `exercise` where it is of one.
        sign: Makes a signed note of a text.
        own: Whether it is a site's own table, small counts included.
    """
    files = {f"{NAME}.{form.value}": write_table(lines, form, about, own=own) for form in FILES}
    files[f"{NAME}.csv-metadata.json"] = dictionary(f"{NAME}.{Format.CSV.value}", own=own)
    files[MANIFEST] = str(sign(_manifest(files, about, lines.count(b"\r\n")))).encode()
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), body, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _manifest(files: Mapping[str, bytes], about: Mapping[str, str], rows: int) -> str:
    head = ["verzuimpoort/manifest/v1", *(f"{name} {value}" for name, value in about.items()), f"rows {rows}"]
    return "".join(
        f"{line}\n"
        for line in [*head, *(f"{hashlib.sha256(body).hexdigest()}  {name}" for name, body in files.items())]
    )
