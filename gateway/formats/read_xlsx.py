"""XLSX into a sheet, after the zip container has been looked over for bombs, macros and links."""

import io
import zipfile
from collections.abc import Iterator

from gateway.formats.sheet import Sheet, UnreadableFile, checked_rows

MAX_UNPACKED = 100_000_000
MAX_RATIO = 100
# A small part may compress far better than any real sheet without being dangerous.
RATIO_FROM = 1_000_000
MAX_PARTS = 1_000


def read_xlsx(body: bytes) -> Sheet:
    """Read the first sheet of a workbook as text; whole numbers lose their `.0`.

    Raises:
        UnreadableFile: not a workbook, with macros or external links, unpacking to more than 100 MB, or above a limit.
    """
    _inspect(body)
    from openpyxl import load_workbook  # noqa: PLC0415  heavy, and most uploads are not workbooks

    try:
        workbook = load_workbook(io.BytesIO(body), read_only=True, data_only=True, keep_links=False)
        try:
            cells = workbook.worksheets[0].iter_rows(values_only=True)
            return checked_rows(_numbered(cells))
        finally:
            workbook.close()
    except UnreadableFile:
        raise
    except Exception as error:  # openpyxl raises whatever its parsers raise on a damaged workbook
        raise UnreadableFile("FILE-XLSX") from error


def _inspect(body: bytes) -> None:
    """Refuse a container that is dangerous to open; sizes are those of the zip directory."""
    try:
        parts = zipfile.ZipFile(io.BytesIO(body)).infolist()
    except zipfile.BadZipFile as error:
        raise UnreadableFile("FILE-XLSX") from error
    unpacked = sum(part.file_size for part in parts)
    steep = any(
        part.file_size > RATIO_FROM and part.file_size > MAX_RATIO * max(part.compress_size, 1) for part in parts
    )
    if unpacked > MAX_UNPACKED or steep or len(parts) > MAX_PARTS:
        raise UnreadableFile("FILE-XLSX-BOMB")
    names = {part.filename.lower() for part in parts}
    if "[content_types].xml" not in names:
        raise UnreadableFile("FILE-XLSX")
    if any(name.endswith("vbaproject.bin") or "/macrosheets/" in name for name in names):
        raise UnreadableFile("FILE-XLSX-MACRO")
    if any("/externallinks/" in name or "/embeddings/" in name for name in names):
        raise UnreadableFile("FILE-XLSX-LINK")


def _numbered(rows: Iterator[tuple[object, ...]]) -> Iterator[tuple[int, list[str]]]:
    for number, row in enumerate(rows, start=1):
        yield number, [_text(value) for value in row]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
