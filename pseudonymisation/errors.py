"""The one exception of this room: something that must never happen did, or a caller broke the contract.

What users cause (a wrong digit, a used-up quota) is a value, not an exception.
"""

import tomllib
from importlib.resources import files

_TEXTS: dict[str, list[str]] = tomllib.loads((files(__package__) / "errors.toml").read_text("utf-8"))


class PseudonymisationError(Exception):
    """Base of every exception of this room; its text never holds a number, a pseudonym or a key."""


class MalformedError(PseudonymisationError):
    """Bytes or text that do not have the one form they must have."""


class ProofError(PseudonymisationError):
    """An evaluation that was not made, element by element, with the key it claims."""


class SignatureError(PseudonymisationError):
    """A signed document that was altered, is of another kind, or is signed by somebody else."""


class KeyringError(PseudonymisationError):
    """A key that is missing, destroyed, in another state than asked, or not kept private.

    Its text is English; an operator at the command line reads it in either language.

    Attributes:
        nl: what is the matter and how to mend it, in Dutch.
        en: the same in English.
    """

    def __init__(self, code: str, **facts: object) -> None:
        self.nl, self.en = (text.format(**facts) for text in _TEXTS[code])
        super().__init__(self.en)
