"""Every school and recipient a monitor: who sends the last checkpoint he saw gets the proof that the log only grew."""

from sqlalchemy import Connection

from audit.checkpoint import open_checkpoint
from audit.continuation import Continuation
from audit.errors import LogBrokenError
from audit.proofs import checkpoint, consistency, logs, root


def continue_from(connection: Connection, seen: str) -> Continuation:
    """The latest checkpoint of the log that signed `seen`, with the consistency proof between the two.

    The caller checks it with `verify_continues`.

    Args:
        connection: Where to read.
        seen: A signed checkpoint that this gateway gave out before.

    Raises:
        NoteError: It is no checkpoint that one of these logs signed.
        NotLoggedError: The log has no checkpoint as large as this one: it was rolled back, or reads an old copy.
        LogBrokenError: A log signed it, and it is not what the log holds: it was split or rewritten. Raise the alarm.
    """
    chain = {state.key: state for state in logs(connection)}
    old = open_checkpoint(seen, chain)
    state, tree = chain[old.by], old.checkpoint
    size, note = checkpoint(connection, state.log, at_least=tree.size)
    if tree.size and root(connection, state.log, tree.size) != tree.root:
        raise LogBrokenError(f"log {state.origin} signed another root at size {tree.size} than it holds")
    return Continuation(tree.size, consistency(connection, state.log, tree.size, size) if tree.size else [], note)
