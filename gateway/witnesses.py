"""The witnesses of the log: who they are, how many of them suffice, and asking them to cosign.

They stand in `witnesses.txt` in the data folder, a C2SP tlog-policy without the log's own keys; what an operator writes
there by hand (groups of groups) holds too. `verzuimpoort witness add` keeps the simple form: so many of all of them.
"""

import logging
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

import httpx
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from audit.cosigning import Answer, ask_witness
from audit.entry import Entry, Object
from audit.events import Decision as Outcome
from audit.events import Event
from audit.proofs import LogState, logs, signed_size
from audit.quorum import Policy, Witness, parse_policy
from audit.timeline import Filter, find
from gateway.context import OPERATION, Gateway, KeepsLog, allowed
from gateway.database import take_turns
from gateway.identity import Identity
from gateway.outcome import Refused
from gateway.settings import FORMER_RECEIPTS_FILE, WITNESSES_FILE, Home
from policies.question import Action
from policies.things import Installation
from pseudonymisation.private_file import write_private

EVERY_SECONDS = 10.0
ANSWER_SECONDS = 10.0
ALL = "witnesses"
_NOBODY = "quorum none\n"
_logger = logging.getLogger(__name__)
_raising: Final = threading.Lock()
_raised: Final = WeakKeyDictionary[Engine, set[str]]()
"""Alarms of this process: an entry can be found only once it has its index."""


def quorum_text(where: Home) -> str:
    """Witnesses and quorum as lines of a policy file."""
    file = _file(where)
    return file.read_text(encoding="utf-8-sig") if file.exists() else _NOBODY


def former_receipts(where: Home) -> list[str]:
    """Receipt keys of the policy that was kept when the key was renewed; none where it never was."""
    file = where.folder / FORMER_RECEIPTS_FILE
    lines = [line.split() for line in file.read_text("utf-8-sig").splitlines()] if file.exists() else []
    return [words[1] for words in lines if words[:1] == ["receipt"]]


def known(where: Home) -> Policy:
    """Witnesses and quorum.

    Raises:
        NoteError: The file is wrong: names the line and the mend.
    """
    return parse_policy(quorum_text(where))


def add(gateway: Gateway, identity: Identity, witness: Witness, at_least: int | None) -> Policy | Refused:
    """Let a witness count; `at_least` of all must cosign, without it more than half."""
    return _change(gateway, identity, Event.WITNESS_ADDED, witness.name, witness, at_least)


def remove(gateway: Gateway, identity: Identity, name: str, at_least: int | None) -> Policy | Refused:
    """Let a witness count no more; the cosignatures it gave stay."""
    return _change(gateway, identity, Event.WITNESS_REMOVED, name, None, at_least)


def ask_all(gateway: KeepsLog, client: httpx.Client) -> dict[str, Answer]:
    """Ask every witness to cosign the log in use, and the end of each one before it that is kept; the answers by name.

    The answer is that about the log in use, or an alarm. All of one round are asked about the same checkpoint, for
    lines under two of them make no quorum.
    """
    told = {}
    for witness, asked in _ask_each(gateway, client).items():
        answers = [answer for head, answer in asked.items() if not head.left]
        told[witness.name] = Answer.ALARM if Answer.ALARM in answers else [Answer.UP_TO_DATE, *answers][-1]
    return told


@dataclass(frozen=True, slots=True)
class _Head:
    """What is to be cosigned: the latest checkpoint of a log.

    Attributes:
        left: Another log went on in its place without a last entry, as after a restore: a witness may well be ahead.
    """

    log: LogState
    size: int
    left: bool

    def proof(self, witness: Witness) -> str:
        """What an alarm of this witness about this log is known by."""
        return f"{witness.key}\n{self.log.origin}\n"


def _ask_each(gateway: KeepsLog, client: httpx.Client) -> dict[Witness, dict[_Head, Answer]]:
    """What each witness answers about each log; one that is ahead of a log left behind is heard once."""
    heads = _heads(gateway)
    return {
        witness: {
            head: _ask(gateway, head.log, head.size, witness, client)
            for head in heads
            if not (head.left and _is_logged(gateway, _id_of(head.proof(witness))))
        }
        for witness in known(gateway.home).witnesses
        if witness.url is not None
    }


def _heads(gateway: KeepsLog) -> list[_Head]:
    """Of every log whose retention has not ended, oldest first."""
    with gateway.reading() as session:
        connection, now = session.connection(), gateway.log.clock()
        return [
            _Head(
                log,
                signed_size(connection, log.log),
                left=log.is_closed
                and not find(connection, Filter(logs=frozenset({log.log}), event=Event.LOG_CLOSED), limit=1),
            )
            for log in logs(connection)
            if log.keep_until is None or log.keep_until > now
        ]


def ask_until(gateway: KeepsLog, stop: threading.Event) -> None:
    """Ask again and again until told to stop.

    A witness that saw another past or a longer log proves that the log was split or rolled back: that is an entry, one
    for each witness and log.
    """
    with httpx.Client(timeout=ANSWER_SECONDS) as client:
        while not stop.wait(EVERY_SECONDS):
            try:
                for witness, asked in _ask_each(gateway, client).items():
                    for head in (head for head, answer in asked.items() if answer is Answer.ALARM):
                        raise_alarm(gateway, f"witness {witness.name}", head.proof(witness))
            except Exception as error:  # noqa: BLE001  the database or the file may be back next time
                _logger.warning("witnesses were not asked (%s); trying again", type(error).__name__)


def raise_alarm(gateway: KeepsLog, who: str, proof: str) -> None:
    """Log that somebody holds a signed checkpoint that contradicts the log: it was split, rewritten or rolled back.

    Args:
        gateway: Whose log it is.
        who: For the operator.
        proof: The checkpoint's text, or witness and log; its SHA-256 stands in the entry, and each has one entry.
    """
    about, actor = _id_of(proof), gateway.actor
    with _raising:
        raised = _raised.setdefault(gateway.database, set())
        if about not in raised and not _is_logged(gateway, about):
            _logger.critical("%s holds a checkpoint that contradicts this log: stop, and investigate", who)
            alarm = Entry(event=Event.WITNESS_ALARMED, actor=actor, object=Object(about), decision=Outcome.ERROR)
            gateway.log_act(alarm)
        raised.add(about)


def _id_of(proof: str) -> str:
    return f"witness:{sha256(proof.encode()).hexdigest()}"


def _is_logged(gateway: KeepsLog, about: str) -> bool:
    with gateway.reading() as session:
        return bool(find(session.connection(), Filter(event=Event.WITNESS_ALARMED, object=about), limit=1))


def _ask(gateway: KeepsLog, log: LogState, size: int, witness: Witness, client: httpx.Client) -> Answer:
    try:
        answer = ask_witness(gateway.database, log.log, witness, client, size)
    except SQLAlchemyError:
        raise
    except Exception as error:  # noqa: BLE001  whatever this one answers, the others are asked too
        _logger.warning("witness %s: %s", witness.name, type(error).__name__)
        return Answer.REFUSED
    if answer is Answer.UNKNOWN:
        _logger.warning("witness %s does not know this log: it must add the line `log %s`", witness.name, log.key)
    elif answer in (Answer.ALARM, Answer.REFUSED, Answer.UNREACHABLE):
        _logger.warning("witness %s: %s", witness.name, answer.value)
    return answer


def _change(  # noqa: PLR0917  each is named where it is called from
    gateway: Gateway,
    identity: Identity,
    event: Event,
    name: str,
    fresh: Witness | None,
    at_least: int | None,
) -> Policy | Refused:
    """Decide, log and put a new file in place, one act at a time: without the entry the file stays as it was."""
    permitted = allowed(gateway, identity, Action.MANAGE_KEYS, Installation(), OPERATION)
    if isinstance(permitted, Refused):
        return permitted
    actor, decision = permitted
    with ExitStack() as undone:
        with gateway.writing() as session:
            take_turns(session, ALL.encode())
            there = {one.name: one for one in known(gateway.home).witnesses}
            old = there.pop(name, None)
            about = fresh or old
            if about is None:
                nobody = Entry(event=Event.REQUEST_REFUSED, actor=actor, decision=Outcome.DENY)
                gateway.append(session, nobody, decision)
                return Refused("not-found")
            text = _text([*there.values(), *filter(None, (fresh,))], at_least)
            policy, file = parse_policy(text), _file(gateway.home)
            object_ = Object(_id_of(str(about.key)))
            gateway.append(session, Entry(event=event, actor=actor, object=object_), decision)
            undone.callback(write_private, file, quorum_text(gateway.home).encode())
            write_private(file, text.encode())
        undone.pop_all()
    return policy


def _text(witnesses: list[Witness], at_least: int | None) -> str:
    if not witnesses:
        return _NOBODY
    lines = [f"witness {one.name} {one.key} {one.url or ''}".rstrip() for one in witnesses]
    enough = at_least if at_least is not None else len(witnesses) // 2 + 1
    names = " ".join(one.name for one in witnesses)
    return "".join(f"{line}\n" for line in (*lines, f"group {ALL} {enough} {names}", f"quorum {ALL}"))


def _file(where: Home) -> Path:
    return where.folder / WITNESSES_FILE
