"""The proof that an entry is in the log, by a checkpoint that enough witnesses cosigned where there is one."""

from audit.errors import NeverSignedError, NoteError, NotLoggedError
from audit.proofs import prove
from audit.quorum import Policy
from audit.tlog_proof import Proof
from gateway.context import Gateway
from gateway.outcome import Refused
from gateway.witnesses import known

FOLLOWS = Refused("proof-follows", retry_after=1)
"""It has no index yet, or no signed checkpoint holds it yet."""


def proof_of(gateway: Gateway, entry_id: str) -> Proof | Refused:
    """The proof of the entry with this leaf hash; `FOLLOWS`, or that there will be none."""
    try:
        with gateway.reading() as session:
            return prove(session.connection(), bytes.fromhex(entry_id), quorum_of(gateway))
    except NeverSignedError:
        return Refused("proof-never")
    except NotLoggedError:
        return FOLLOWS


def quorum_of(gateway: Gateway) -> Policy | None:
    """Witnesses and quorum in force; None while their file is wrong: nothing waits for that, and the check tells it."""
    try:
        return known(gateway.home)
    except NoteError:
        return None
