"""Every school and recipient a monitor: who sends the last checkpoint he saw gets the proof that the log only grew."""

from sqlalchemy import Connection

from audit.checkpoint import open_checkpoint
from audit.continuation import Continuation
from audit.errors import LogBrokenError, LogExpiredError, NotLoggedError
from audit.proofs import checkpoint, consistency, logs, root


def continue_from(connection: Connection, seen: str, now: int) -> Continuation:
    """The latest checkpoint of the log that signed `seen`, with the consistency proof between the two.

    The caller checks it with `verify_continues`.

    Args:
        connection: Where to read.
        seen: A signed checkpoint that this gateway gave out before.
        now: Milliseconds since 1970 UTC.

    Raises:
        NoteError: It is no checkpoint that one of these logs signed.
        NotLoggedError: The log has no checkpoint as large as this one: it was rolled back, or reads an old copy.
        LogExpiredError: The retention of the log that signed it has ended, and its tree is erased.
        LogBrokenError: A log signed it, and it is not what the log holds: it was split or rewritten. Raise the alarm.
    """
    chain = {state.key: state for state in logs(connection)}
    old = open_checkpoint(seen, chain)
    state, tree = chain[old.by], old.checkpoint
    size, note = checkpoint(connection, state.log, at_least=tree.size)
    if not tree.size:
        return Continuation(0, [], note)
    try:
        held, proof = root(connection, state.log, tree.size), consistency(connection, state.log, tree.size, size)
    except NotLoggedError:
        if state.keep_until is None or now <= state.keep_until:
            raise
        raise LogExpiredError(f"log {state.origin} was kept as long as it should be") from None
    if held != tree.root:
        raise LogBrokenError(f"log {state.origin} signed another root at size {tree.size} than it holds")
    return Continuation(tree.size, proof, note)
