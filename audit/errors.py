"""What can go wrong in this room; the hallway turns these into responses."""


class AuditError(Exception):
    """Base of every exception of the audit room."""


class EntryError(AuditError):
    """An entry holds something that may not be logged; names the field and the rule, never the value.

    Attributes:
        field: Name of the field as it stands in the entry, e.g. `purpose` or `object`.
        rule: What that field demands, and so how to mend it.
    """

    def __init__(self, field: str, rule: str) -> None:
        super().__init__(f"audit entry refused: field `{field}` {rule}")
        self.field = field
        self.rule = rule


class NoteError(AuditError):
    """A signed note, key, checkpoint, receipt or policy file is malformed or not signed by a known key."""


class ProofError(AuditError):
    """An inclusion or consistency proof does not hold."""


class NotLoggedError(AuditError):
    """The log asked for, or an index or size in it, does not exist (yet)."""


class NeverSignedError(NotLoggedError):
    """The log ended before it signed this entry, and another went on: there will be no proof of it."""


class LogExpiredError(AuditError):
    """The retention of the log has ended: what it held can be proven or compared no more, and all is in order."""


class LogClosedError(AuditError):
    """The log has its final checkpoint; a new log with a new origin continues it."""


class ClockError(AuditError):
    """The clock contradicts the log: it is wrong, or stood still for years; nothing was closed."""


class LogBrokenError(AuditError):
    """Stored entries, nodes and checkpoints contradict each other: stop, sign nothing, and investigate.

    Attributes:
        index: Of the first entry that is known to be gone, where that is what is wrong.
    """

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index
