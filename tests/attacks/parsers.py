"""Every parser that takes bytes from outside: how it is called, what it may raise, and a good example."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from audit.checkpoint import Checkpoint
from audit.continuation import Continuation
from audit.errors import AuditError
from audit.note import Key, parse_note
from audit.quorum import parse_policy
from audit.receipt import verify_receipt
from audit.tiles import Tile
from audit.tlog_proof import Proof
from gateway.collections import load_contracts
from gateway.duo import LIST_COLUMNS, read_listing
from gateway.formats.read_csv import read_csv
from gateway.formats.read_xlsx import read_xlsx
from gateway.formats.sheet import UnreadableFile
from gateway.http.certificate import oin_of
from gateway.records import Expected, parse
from gateway.sealed import read_seal
from gateway.synthetic.region import make_region
from policies.authzen import what_if
from policies.errors import BadQuestion
from policies.parties import ANYBODY
from policies.question import Setup
from pseudonymisation.errors import PseudonymisationError
from pseudonymisation.key_document import read_key_document
from pseudonymisation.number import parse_number
from pseudonymisation.pseudonym import read_pseudonym
from pseudonymisation.service.register import load_register
from pseudonymisation.wire import EvaluationRequest

SITE = make_region(10, 1).sites[0]
EXPECTED = {
    name: Expected(contract, SITE.code, "2026-2027-1", SITE.sector, SITE.subdivisions, None)
    for name, contract in load_contracts().items()
}
NOW = datetime(2026, 11, 2, 10, tzinfo=UTC)
NOTE = "poort.example/log\n7\n" + "A" * 43 + "=\n\n— poort.example/log " + "A" * 92 + "\n"
CSV = b"subdivision;kind;band;pupils\nundivided;authorised;upto5;20\n"
LIST = b"gemeente_code,gemeente,vestiging,po_swv,name,board,pupils_2026\n344,Utrecht,00AB00,PO2505,School,1,200\n"
RECORDS = (
    b'{"collection":"absence-records","site":"00AB00","period":"2026-2027-1","key_id":"0123456789abcdef","records":'
    b'[{"pseudonym":"AA","subdivision":"vmbo","hours_scheduled":9.5,"hours_authorised":1,"hours_unauthorised":0}],'
    b'"illness_counts":[{"subdivision":"vmbo","band":"upto5","pupils":1}]}'
)


@dataclass(frozen=True)
class Parser:
    """One parser.

    Attributes:
        read: Gives it bytes.
        answers: What it may raise; anything else is a find.
        seed: Bytes near what it takes.
    """

    read: Callable[[bytes], object]
    answers: tuple[type[Exception], ...]
    seed: bytes


def text(read: Callable[[str], object]) -> Callable[[bytes], object]:
    """A parser of text, given bytes as the gateway decodes them."""
    return lambda raw: read(raw.decode(errors="replace"))


def listing(raw: bytes) -> Any:  # noqa: ANN401  whatever it reads
    return read_listing(read_csv(raw, LIST_COLUMNS), load_contracts())


PARSERS: Mapping[str, Parser] = {
    **{f"file-{name}": Parser(lambda raw, of=name: parse(raw, EXPECTED[of]), (), RECORDS if "records" in name else CSV)  # type: ignore[misc]
       for name in EXPECTED},
    "csv": Parser(lambda raw: read_csv(raw, {"pupils"}), (UnreadableFile,), CSV),
    "xlsx": Parser(read_xlsx, (UnreadableFile,), b"PK\x03\x04xl/workbook.xml"),
    "duo": Parser(listing, (UnreadableFile,), LIST),
    "note": Parser(text(parse_note), (AuditError,), NOTE.encode()),
    "key": Parser(text(Key.parse), (AuditError,), b"poort.example/log+0000000a+AAAA"),
    "checkpoint": Parser(text(Checkpoint.parse), (AuditError,), NOTE.split("\n\n", maxsplit=1)[0].encode() + b"\n"),
    "proof": Parser(text(Proof.parse), (AuditError,), b"c2sp.org/tlog-proof@v1\nindex 3\n\n" + NOTE.encode()),
    "continuation": Parser(text(Continuation.parse), (AuditError,), NOTE.encode()),
    "quorum": Parser(text(parse_policy), (AuditError,), b"log poort.example/log+0000000a+AAAA\nquorum none\n"),
    "tile": Parser(text(Tile.parse), (AuditError,), b"0/x001/234.p/7"),
    "receipt": Parser(text(lambda given: verify_receipt(given, parse_policy(""))), (AuditError,), NOTE.encode()),
    "key-document": Parser(read_key_document, (PseudonymisationError,), b'{"kind":"verzuimpoort/service-keys/v1"}'),
    "service-register": Parser(lambda raw: load_register(raw, bytes(32)), (PseudonymisationError,), b'{"kind":"x"}'),
    "pseudonym": Parser(text(read_pseudonym), (PseudonymisationError,), b"A" * 86),
    "number": Parser(text(parse_number), (), b"123456782"),
    "evaluation": Parser(EvaluationRequest.model_validate_json, (ValidationError,), b'{"key_id":"0123456789abcdef"}'),
    "case-reference": Parser(text(read_seal), (), b"eyJhbGciOiJFQ0RILUVTK0EyNTZLVyIsImtpZCI6IngifQ.A.A.A.A"),
    "certificate": Parser(text(lambda given: oin_of(given, NOW)), (), b":MIIB:"),
    "question": Parser(
        lambda raw: what_if(raw, ANYBODY, Setup()), (BadQuestion,), b'{"subject":{},"action":{},"resource":{}}'
    ),
}  # fmt: skip


def try_parser(name: str, raw: bytes) -> None:
    """Give a parser bytes: it reads them, or raises one of its answers."""
    parser = PARSERS[name]
    with suppress(*parser.answers):
        parser.read(raw)
