"""A witness: remembers the latest checkpoint of each log it knows and cosigns only what continues it.

    python -m audit.witness --name witness.example.nl/w1 --logs logs.txt --key witness.key --state witness.db

Another organisation runs this; that is its whole worth. It needs no database server and no web framework: the light
installation suffices, because the standard library serves the two calls of C2SP tlog-witness. Put a web server with
TLS before it. `logs.txt` is a policy file with a `log <vkey>` line for each log; the key file is made at the first
start and its verifier key printed. `logs.txt` is read again when a log is unknown: nothing is started anew when a year
turns. No log is let in by its likeness to a known one: somebody here decides that there is one more.
"""

import argparse
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Final, NamedTuple

from audit.checkpoint import SIZE, Checkpoint, Cosigner, Signed, open_checkpoint
from audit.continuation import Continuation, verify_continues
from audit.errors import NoteError, ProofError
from audit.merkle import EMPTY_ROOT
from audit.note import Key, parse_note
from audit.quorum import parse_policy

SEED_BYTES: Final = 32
MAX_BODY: Final = 65_536
SECONDS_A_REQUEST: Final = 10

_TABLES: Final = """
CREATE TABLE IF NOT EXISTS seen (log TEXT PRIMARY KEY, hash TEXT NOT NULL, size INTEGER NOT NULL,
  root BLOB NOT NULL, note TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS split (log TEXT NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL, seen TEXT NOT NULL,
  other TEXT NOT NULL, PRIMARY KEY (log, size)) STRICT;
"""
_BY_NAME: Final = "SELECT 1 FROM pragma_table_info('seen') WHERE name = 'origin'"
_BY_KEY: Final = f"""
BEGIN IMMEDIATE;
ALTER TABLE seen RENAME TO seen_by_name;
ALTER TABLE split RENAME TO split_by_name;
{_TABLES}
INSERT INTO seen SELECT log_of(origin, note), hash, size, root, note FROM seen_by_name;
INSERT INTO split SELECT log_of(origin, seen), size, at, seen, other FROM split_by_name;
DROP TABLE seen_by_name;
DROP TABLE split_by_name;
COMMIT;
"""  # noqa: S608  nothing but the tables above
"""A state of before, in which logs went by their name alone."""


class Answer(NamedTuple):
    """An HTTP answer: status, body, and its type."""

    status: int
    body: str = ""
    kind: str = "text/plain; charset=utf-8"


class Witness:
    """The rules of a witness; each call is one transaction on its own SQLite file.

    Args:
        path: The state, made if it is missing.
        cosigner: Name and key of this witness.
        logs: Keys of the logs it knows.
        reread: Gives those keys anew, or raises NoteError; it is asked when a log is not among them.
    """

    def __init__(
        self, path: Path, cosigner: Cosigner, logs: tuple[Key, ...], reread: Callable[[], tuple[Key, ...]] | None = None
    ) -> None:
        self._path, self._cosigner, self._logs, self._reread = path, cosigner, logs, reread
        with closing(self._open()) as state:
            state.execute("PRAGMA journal_mode = WAL")
            state.create_function("log_of", 2, _log_of, deterministic=True)
            state.executescript(_BY_KEY if state.execute(_BY_NAME).fetchone() else _TABLES)

    def add_checkpoint(self, body: str, now: int) -> Answer:
        """Cosign a checkpoint if it continues the one cosigned last.

        1. The log is known, and signed the checkpoint.
        2. The old size is not above the new one, and is the size cosigned last.
        3. The tree continues the one cosigned last.
        4. Remember it durably, in the same transaction as 2; only then answer.

        Two checkpoints of one size with different roots, both signed by the log, are kept, once a size: they prove what
        it did. A proof that does not hold proves nothing; anybody can put one under a good checkpoint.

        Args:
            body: `old <size>`, consistency proof, signed checkpoint.
            now: Seconds since 1970 UTC.
        """
        try:
            request = Continuation.parse(body)
            note = parse_note(request.checkpoint)
        except NoteError:
            return Answer(400)
        claimed = note.text.partition("\n")[0]
        mine = [key for key in self._logs if key.name == claimed]
        if self._reread is not None and not any(line.is_by(key) for key in mine for line in note.signatures):
            with suppress(NoteError):
                self._logs = self._reread()
        if all(key.name != claimed for key in self._logs):  # 1
            return Answer(404)
        try:
            new = open_checkpoint(request.checkpoint, self._logs)
        except NoteError:
            return Answer(403)
        with closing(self._open()) as state:
            state.execute("BEGIN IMMEDIATE")
            answer = self._judge(state, request, new, now)
            state.execute("COMMIT")  # 4
        return answer

    def _judge(self, state: sqlite3.Connection, request: Continuation, new: Signed, now: int) -> Answer:
        tree, log = new.checkpoint, _named(new.by.name, new.by.id)
        row = state.execute("SELECT size, root, note FROM seen WHERE log = ?", (log,)).fetchone()
        last = Checkpoint(tree.origin, *row[:2]) if row else Checkpoint(tree.origin, 0, EMPTY_ROOT)
        if request.old > tree.size:  # 2
            return Answer(400)
        if request.old != last.size:
            return Answer(409, f"{last.size}\n", "text/x.tlog.size")
        note = f"{tree.text()}\n{''.join(str(each) for each in new.note.signatures if each.is_by(new.by))}"
        try:
            verify_continues(last, tree, request.proof)  # 3
        except ProofError:
            if row and tree.size == last.size and tree.root != last.root:
                found = (log, tree.size, now, row[2], note)
                state.execute("INSERT INTO split VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", found)
            return Answer(422)
        line = str(self._cosigner.cosign(tree, now))
        state.execute(
            "INSERT INTO seen VALUES (?, ?, ?, ?, ?) ON CONFLICT (log) DO UPDATE"
            " SET size = excluded.size, root = excluded.root, note = excluded.note",
            (log, sha256(tree.origin.encode()).hexdigest(), tree.size, tree.root, f"{note}{line}"),
        )
        return Answer(200, line)

    def latest(self, origin_hash: str) -> Answer:
        """The checkpoint cosigned last for the log whose origin has this SHA-256, in hexadecimal; of two the larger."""
        with closing(self._open()) as state:
            found = state.execute("SELECT note FROM seen WHERE hash = ? ORDER BY size DESC", (origin_hash,))
            row = found.fetchone()
        return Answer(200, row[0]) if row else Answer(404)

    def _open(self) -> sqlite3.Connection:
        state = sqlite3.connect(self._path, timeout=SECONDS_A_REQUEST, isolation_level=None)
        state.execute("PRAGMA synchronous = FULL")
        return state


def _named(origin: str, key_id: bytes) -> str:
    """A log as a policy file names it: two of one name, each with its own key, are two logs."""
    return f"{origin}+{key_id.hex()}"


def _log_of(origin: str, note: str) -> str:
    """The log that signed a checkpoint which was cosigned."""
    return next(_named(origin, line.key_id) for line in parse_note(note).signatures if line.name == origin)


def serve(witness: Witness, address: tuple[str, int]) -> ThreadingHTTPServer:
    """A server bound to an address (port 0: any free one); call `serve_forever` on it."""

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS_A_REQUEST
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "witness", ""

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not SIZE.fullmatch(length) or int(length) > MAX_BODY:
                self.close_connection = True
                self._say(Answer(413))
                return
            body = self.rfile.read(int(length))
            if self.path != "/add-checkpoint":
                self._say(Answer(404))
                return
            try:
                self._say(witness.add_checkpoint(body.decode(), int(time.time())))
            except UnicodeDecodeError:
                self._say(Answer(400))

        def do_GET(self) -> None:
            origin_hash, _, rest = self.path.removeprefix("/").partition("/")
            self._say(witness.latest(origin_hash) if rest == "checkpoint" else Answer(404))

        def _say(self, answer: Answer) -> None:
            data = answer.body.encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Addresses of callers are nobody's business."""

    return ThreadingHTTPServer(address, Handler)


def load_cosigner(name: str, path: Path) -> Cosigner:
    """The witness's key from its file; made, readable by its owner only, if it is missing.

    Raises:
        NoteError: Others can read the file, or it holds no key.
    """
    if not path.exists():
        _make_seed(path)
    if os.name == "posix" and path.stat().st_mode & 0o077:
        raise NoteError(f"others can read the key file {path.name}: run chmod 600 on it, or make a new key")
    seed = path.read_bytes()
    if len(seed) != SEED_BYTES:
        raise NoteError(f"{path} is no key of {SEED_BYTES} bytes: put back its copy, or remove it to make a new key")
    return Cosigner(name, seed)


def _make_seed(path: Path) -> None:
    """Make a key file whole or not at all; one that another process makes meanwhile stays."""
    descriptor, fresh = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # readable by its owner only
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(os.urandom(SEED_BYTES))
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            (os.link if os.name == "posix" else os.rename)(fresh, path)  # neither replaces
    finally:
        Path(fresh).unlink(missing_ok=True)


def read_logs(path: Path) -> tuple[Key, ...]:
    """Keys of the logs in a policy file.

    Raises:
        NoteError: The file is wrong, or cannot be read.
    """
    try:
        return parse_policy(path.read_text("utf-8-sig")).logs
    except (OSError, ValueError) as error:
        raise NoteError(str(error)) from None


def main(arguments: list[str] | None = None) -> int:
    """Run a witness until it is stopped."""
    parser = argparse.ArgumentParser(prog="witness", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--name", required=True, help="name of this witness, e.g. witness.example.nl/w1")
    for option, text in (("logs", "policy file with a line per log"), ("key", "key file"), ("state", "SQLite file")):
        parser.add_argument(f"--{option}", type=Path, required=True, help=text)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081)
    given = parser.parse_args(arguments)

    def reread() -> tuple[Key, ...]:
        try:
            return read_logs(given.logs)
        except NoteError as error:
            _tell(error)  # and goes on with what it knew
            raise

    try:
        logs = read_logs(given.logs)
        cosigner = load_cosigner(given.name, given.key)
        witness = Witness(given.state, cosigner, logs, reread)
    except sqlite3.Error as error:
        return _tell(f"--state {given.state}: {error}")
    except (OSError, ValueError, NoteError) as error:
        return _tell(error)
    try:
        server = serve(witness, (given.host, given.port))
    except (OSError, OverflowError) as error:
        return _tell(f"--host {given.host} --port {given.port}: {error}")
    print(f"{cosigner.key}\nhttp://{given.host}:{server.server_port}", flush=True)  # noqa: T201  its address card
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        server.server_close()
    return 0


def _tell(what: object) -> int:
    """Say what is wrong; the exit code of a program that did not start."""
    print(f"witness: {what}", file=sys.stderr, flush=True)  # noqa: T201  a program says why it stops
    return 2


if __name__ == "__main__":
    sys.exit(main())
