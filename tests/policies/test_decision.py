"""A decision is a value."""

import pytest

from policies.decision import Deny, Permit, Reason, Version
from policies.errors import PolicyError
from policies.question import Action

VERSION = Version("test", "0" * 64)


@pytest.mark.parametrize(
    "decision",
    [Permit(Action.SUBMIT, ("p",), (), VERSION), Deny(Action.SUBMIT, ("p",), (), VERSION, Reason.FORBIDDEN)],
)
def test_nobody_can_write_if_decision(decision: Permit | Deny) -> None:
    """A refusal is not false and a permit is not true: asking for a truth value is an error."""
    with pytest.raises(PolicyError, match="isinstance"):
        bool(decision)


def test_a_failing_engine_is_an_error_and_a_refusal_is_not() -> None:
    """The words for the audit entry."""
    assert Permit(Action.SUBMIT, ("p",), (), VERSION).verdict == "permit"
    assert Deny(Action.SUBMIT, ("p",), (), VERSION, Reason.NO_PERMIT).verdict == "deny"
    assert Deny(Action.SUBMIT, ("p",), (), VERSION, Reason.FAULT).verdict == "error"
