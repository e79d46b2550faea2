"""Take the log out: a bundle anybody can check, a selection with its proofs, Logboek Dataverwerkingen, CSV."""

import csv
import inspect
import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import IO, Any, Final

from sqlalchemy import Connection, func, select

from audit import verify
from audit.errors import AuditError, LogBrokenError, NotLoggedError
from audit.merkle import leaf_hash
from audit.note import encode_base64
from audit.proofs import Place, checkpoint, inclusion, signed_note
from audit.quorum import parse_policy
from audit.retention import is_over
from audit.schema import CHECKPOINT, ENTRY
from audit.timeline import Filter, Found, find

PAGE: Final = 5_000
NOT_COMPLETE: Final = (
    "Deze selectie bewijst dat de regels erin in het logboek staan. Zij bewijst niet dat er geen andere zijn.\n"
    "This selection proves that the entries in it are in the log. It does not prove that there are no others.\n"
)
NO_PROOFS: Final = (
    "Dit overzicht bewijst zelf niets: met `verzuimpoort.leaf` geeft de poort het bewijs dat een regel in het logboek "
    "staat. Dat er geen andere zijn, toont alleen de hele bundel.\n"
    "This overview proves nothing by itself: for `verzuimpoort.leaf` the gateway gives the proof that an entry is in "
    "the log. It does not prove that there are no others; only the whole bundle does.\n"
)
_STATUS: Final = {"permit": "Ok", "deny": "Unset", "error": "Error"}
"""Logboek Dataverwerkingen: a refusal is a normal outcome, not an error of the system."""
_OURS: Final = (
    "decision", "actor", "party", "recipient", "purpose", "basis", "period", "rules", "policy", "object", "cause",
    "amount",
)  # fmt: skip
_THIRTY_DAYS: Final = 30 * 86_400_000

CSV_STATEMENT: Final = (
    "Bewijst zelf niets: dat er geen andere regels zijn, toont alleen de hele bundel. / "
    "Proves nothing by itself: only the whole bundle shows that there are no other entries."
)
"""Name of the last, empty column: whoever opens the file reads it, and a program that reads by name does not mind."""
CSV_COLUMNS: Final = (
    "index", "time", "event", "decision", "role", "organisation", "party", "recipient", "period", "purpose", "basis",
    "activity", "policy", "rules", "object", "commitment", "cause", "amount", "trace_id", "span_id", "leaf",
    CSV_STATEMENT,
)  # fmt: skip


def write_bundle(
    connection: Connection,
    log: int,
    out: IO[bytes],
    *,
    policy: str,
    at_least: int = 1,
    compress: bool = True,
) -> int:
    """Write the whole log, up to the latest checkpoint that will do, as a bundle for `audit.verify`; returns its size.

    Args:
        connection: Where to read; one snapshot of a growing log is enough, for entries only come after.
        log: Number of the log.
        out: Where the zip file goes.
        policy: Text of the policy file: keys, and the quorum that the last checkpoint meets, if any does.
        at_least: Size that checkpoint must have reached; a recent one may have no cosignatures yet.
        compress: A third of the size, at the price of a second per million entries when it is checked.

    Raises:
        NoteError: The policy file is wrong.
        NotLoggedError: The log has no such checkpoint yet, or its retention has ended.
        LogBrokenError: An entry is gone that has to be there.
    """
    size, last = checkpoint(connection, log, at_least=at_least, policy=parse_policy(policy))
    with zipfile.ZipFile(out, "w") as bundle:
        for name, text in (
            ("policy.txt", policy),
            *((f"checkpoints/{at:019d}", note) for at, note in _milestones(connection, log, size)),
            (f"checkpoints/{size:019d}", last),
        ):
            bundle.writestr(_member(name), text)
        with bundle.open(_member("entries.jsonl", compress=compress), "w", force_zip64=True) as lines:
            lines.writelines(b"".join(data + b"\n" for data, _ in page) for page in _pages(connection, log, size))
        with bundle.open(_member("hashes"), "w", force_zip64=True) as hashes:
            hashes.writelines(b"".join(leaf for _, leaf in page) for page in _pages(connection, log, size))
    return size


def write_selection(connection: Connection, log: int, wanted: Filter, out: IO[bytes], *, policy: str) -> int:
    """Write the entries of one log that fit, each with its proof, as a bundle; returns how many.

    Raises:
        NoteError: The policy file is wrong.
        NotLoggedError: The log has no checkpoint yet.
    """
    size, last = checkpoint(connection, log, at_least=1, policy=parse_policy(policy))
    count = 0
    with zipfile.ZipFile(out, "w") as bundle, TemporaryFile() as proofs:  # one member is written at a time
        bundle.writestr(_member("LEESMIJ.txt"), NOT_COMPLETE)
        bundle.writestr(_member("policy.txt"), policy)
        bundle.writestr(_member(f"checkpoints/{size:019d}"), last)
        with bundle.open(_member("entries.jsonl", compress=True), "w", force_zip64=True) as lines:
            for found in select_all(connection, replace(wanted, logs=frozenset({log}))):
                if found.place.index < size:
                    path = [encode_base64(each) for each in inclusion(connection, found.place, size)]
                    proofs.write(json.dumps({"index": found.place.index, "path": path}).encode() + b"\n")
                    lines.write(found.data + b"\n")
                    count += 1
        proofs.seek(0)
        with bundle.open(_member("proofs.jsonl", compress=True), "w", force_zip64=True) as member:
            copyfileobj(proofs, member)
    return count


def select_all(connection: Connection, wanted: Filter) -> Iterator[Found]:
    """Every entry that fits, newest first, a page at a time."""
    before: Place | None = None
    while page := find(connection, wanted, before=before, limit=PAGE):
        yield from page
        before = page[-1].place


def ldv_records(entries: Iterable[Found], *, resource: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Entries as records of Logboek Dataverwerkingen (Logius): every mandatory field, and ours under `verzuimpoort.`.

    An entry is a moment, so start and end are the same. A line per data subject is not given here: the subjects stay
    in a side table, and what stands in their place is the root that commits to them.

    Args:
        entries: What to show.
        resource: Names the system, e.g. `{"name": "verzuimpoort", "version": "1.0"}`.
    """
    for found in entries:
        entry = found.fields()
        moment, root = _moment(entry["ts"]), entry.get("subjects_root", "")
        record = {
            "trace_id": entry["trace_id"],
            "span_id": entry["span_id"],
            "status": _STATUS.get(entry["decision"], "Error"),
            "name": entry["event"],
            "start_time": moment,
            "end_time": moment,
            "resource": {"attributes": dict(resource)},
            "attributes": {
                "dpl.core.processing_activity_id": entry.get("activity", {}).get("uri", ""),
                "dpl.core.data_subject_id": root,
                "dpl.core.data_subject_id_type": "subjects_root" if root else "",
                "verzuimpoort.leaf": leaf_hash(found.data).hex(),
            }
            | {f"verzuimpoort.{name}": value for name, value in _flat(entry)},
        }
        yield record | ({"parent_span_id": entry["parent_span_id"]} if "parent_span_id" in entry else {})


def write_ldv(entries: Iterable[Found], out: IO[str], *, resource: Mapping[str, str]) -> None:
    """Entries as one JSON document of `ldv_records`, a record at a time; its statement says what it does not prove."""
    head = {"standard": "Logboek Dataverwerkingen", "statement": NO_PROOFS.splitlines()}
    out.write(json.dumps(head, ensure_ascii=False).removesuffix("}") + ', "records": [')
    between = ""
    for record in ldv_records(entries, resource=resource):
        out.write(between + json.dumps(record, ensure_ascii=False))
        between = ", "
    out.write("]}")


def write_csv(entries: Iterable[Found], out: IO[str]) -> None:
    """Entries as CSV with `;`, a line each; columns in `CSV_COLUMNS`, the last of which says what it does not prove."""
    rows = csv.writer(out, delimiter=";", lineterminator="\n")
    rows.writerow(CSV_COLUMNS)
    for found in entries:
        get = found.fields().get
        actor, about = get("actor", {}), get("object", {})
        values = (
            found.place.index, _moment(get("ts", 0)), get("event"), get("decision"), actor["role"],
            actor.get("organisation"), get("party"), get("recipient"), get("period"), get("purpose"), get("basis"),
            get("activity", {}).get("uri"), get("policy", {}).get("id"), " ".join(get("rules", ())),
            about.get("id"), about.get("commitment"), get("cause"), get("amount"), get("trace_id"), get("span_id"),
            leaf_hash(found.data).hex(), None,
        )  # fmt: skip
        rows.writerow([_cell(value) for value in values])


def verifier_archive() -> bytes:
    """`audit.verify` as a zipapp: `python verify.pyz BUNDLE.zip` runs it where nothing of this product is installed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(_member("__main__.py", compress=True), inspect.getsource(verify))
    return b"#!/usr/bin/env python3\n" + out.getvalue()


def _cell(value: object) -> object:
    """A value as it is; what a spreadsheet would run, which only forged bytes hold, gets an apostrophe before it."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"} else value


def _moment(ts: int) -> str:
    return f"{datetime.fromtimestamp(ts // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ts % 1000:03d}Z"


def _member(name: str, *, compress: bool = False) -> zipfile.ZipInfo:
    """A file in a zip without a date, so that equal content has equal bytes."""
    member = zipfile.ZipInfo(name)
    member.compress_type = zipfile.ZIP_DEFLATED if compress else zipfile.ZIP_STORED
    return member


def _flat(entry: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields that Logboek Dataverwerkingen has no name for: who, for whom, on which ground, because of what."""
    for name in _OURS:
        if isinstance(value := entry.get(name), dict):
            yield from ((f"{name}.{part}", each) for part, each in value.items())
        elif value is not None:
            yield name, value


def _milestones(connection: Connection, log: int, size: int) -> Iterator[tuple[int, str]]:
    """The last checkpoint of each thirty days, as proof of what the log was then."""
    earlier = (CHECKPOINT.c.log == log) & (CHECKPOINT.c.size < size)
    sizes = select(func.max(CHECKPOINT.c.size)).where(earlier).group_by(CHECKPOINT.c.made // _THIRTY_DAYS)
    for at in sorted(connection.scalars(sizes)):
        yield at, signed_note(connection, log, at)


def _pages(connection: Connection, log: int, size: int) -> Iterator[list[tuple[bytes, bytes]]]:
    for first in range(0, size, PAGE):
        last = min(first + PAGE, size) - 1
        rows = connection.execute(
            select(ENTRY.c.idx, ENTRY.c.data, ENTRY.c.hash)
            .where(ENTRY.c.log == log, ENTRY.c.idx.between(first, last))
            .order_by(ENTRY.c.idx)
        ).all()
        if len(rows) != last - first + 1:
            there = {idx for idx, _, _ in rows}
            raise _gone(connection, log, next(idx for idx in range(first, last + 1) if idx not in there))
        yield [(bytes(data), bytes(leaf)) for _, data, leaf in rows]


def _gone(connection: Connection, log: int, index: int) -> AuditError:
    """Why an entry that was signed is not there: the end of its retention, or else somebody took it away."""
    if is_over(connection, log):
        return NotLoggedError("the log does not hold these entries any more: their retention has ended")
    return LogBrokenError(f"log {log} does not hold entry {index}, which it signed and has to keep", index)
