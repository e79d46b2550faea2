"""The proof that an entry is in the log, by a checkpoint that enough witnesses cosigned where there is one."""

from audit.errors import NoteError
from audit.proofs import prove
from audit.quorum import Policy
from audit.tlog_proof import Proof
from gateway.context import Gateway
from gateway.witnesses import known


def proof_of(gateway: Gateway, entry_id: str) -> Proof:
    """The proof of the entry with this leaf hash.

    Raises:
        NotLoggedError: It has no index yet, or no signed checkpoint holds it yet.
    """
    with gateway.reading() as session:
        return prove(session.connection(), bytes.fromhex(entry_id), quorum_of(gateway))


def quorum_of(gateway: Gateway) -> Policy | None:
    """Witnesses and quorum in force; None while their file is wrong: nothing waits for that, and the check tells it."""
    try:
        return known(gateway.home)
    except NoteError:
        return None
