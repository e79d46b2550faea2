"""The questions the engine answers, as typed values: who wants to do what, with which thing, for which purpose."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from policies import things
from policies.parties import Caller, Mandate
from policies.purpose import NEVER


class Action(StrEnum):
    """Everything the gateway asks about."""

    SUBMIT = "submit"
    CHECK = "check"
    CONFIRM = "confirm"
    WITHDRAW_SUBMISSION = "withdraw-submission"
    READ_SUBMISSION = "read-submission"
    READ_OWN_TABLE = "read-own-table"
    BUILD_RELEASE = "build-release"
    APPROVE_RELEASE = "approve-release"
    REJECT_RELEASE = "reject-release"
    PUBLISH_RELEASE = "publish-release"
    WITHDRAW_RELEASE = "withdraw-release"
    READ_RELEASE = "read-release"
    READ_CERTIFICATE = "read-certificate"
    DOWNLOAD_RELEASE = "download-release"
    REQUEST_DATA = "request-data"
    SEND_DATA = "send-data"
    REGISTER_CONSENT = "register-consent"
    READ_CONSENT = "read-consent"
    WITHDRAW_CONSENT = "withdraw-consent"
    ANSWER_NOTICE = "answer-notice"
    SUBMIT_CONSENTED_RECORD = "submit-consented-record"
    READ_CONSENTED_RECORD = "read-consented-record"
    REQUEST_ACCESS = "request-access"
    READ_AUDIT = "read-audit"
    EXPORT_AUDIT = "export-audit"
    REVIEW_AUDIT = "review-audit"
    READ_REGISTER_OF_PROCESSING = "read-register-of-processing"
    ASK_DECISION = "ask-decision"
    MANAGE_REGISTER = "manage-register"
    MANAGE_PERIODS = "manage-periods"
    MANAGE_KEYS = "manage-keys"
    MANAGE_ACCESS = "manage-access"
    RUN_RETENTION = "run-retention"


ABOUT: Mapping[Action, type[things.Thing]] = {
    Action.SUBMIT: things.Delivery,
    Action.CHECK: things.Delivery,
    Action.CONFIRM: things.Delivery,
    Action.WITHDRAW_SUBMISSION: things.Delivery,
    Action.READ_SUBMISSION: things.Delivery,
    Action.READ_OWN_TABLE: things.OwnTable,
    Action.BUILD_RELEASE: things.Release,
    Action.APPROVE_RELEASE: things.Release,
    Action.REJECT_RELEASE: things.Release,
    Action.PUBLISH_RELEASE: things.Release,
    Action.WITHDRAW_RELEASE: things.Release,
    Action.READ_RELEASE: things.Release,
    Action.READ_CERTIFICATE: things.Release,
    Action.DOWNLOAD_RELEASE: things.Slice,
    Action.REQUEST_DATA: things.CaseData,
    Action.SEND_DATA: things.CaseData,
    Action.REGISTER_CONSENT: things.Consent,
    Action.READ_CONSENT: things.Consent,
    Action.WITHDRAW_CONSENT: things.Consent,
    Action.ANSWER_NOTICE: things.Consent,
    Action.SUBMIT_CONSENTED_RECORD: things.ConsentedRecord,
    Action.READ_CONSENTED_RECORD: things.ConsentedRecord,
    Action.REQUEST_ACCESS: things.Records,
    Action.READ_AUDIT: things.Records,
    Action.EXPORT_AUDIT: things.Records,
    Action.REVIEW_AUDIT: things.Records,
    Action.READ_REGISTER_OF_PROCESSING: things.Installation,
    Action.ASK_DECISION: things.Hypothesis,
    Action.MANAGE_REGISTER: things.Installation,
    Action.MANAGE_PERIODS: things.Installation,
    Action.MANAGE_KEYS: things.Installation,
    Action.MANAGE_ACCESS: things.Installation,
    Action.RUN_RETENTION: things.Installation,
}


@dataclass(frozen=True, slots=True)
class Setup:
    """How this gateway is set up; the defaults are the strict ones.

    Attributes:
        two_operators: gateway and pseudonym service are run by two registered parties.
        unsafe_single_operator: the operator accepted one party for both, in writing.
    """

    two_operators: bool = False
    unsafe_single_operator: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One question.

    Attributes:
        purposes: ids of the purposes; several where one release serves several, and then all must allow it.
        collection: id of the collection, where there is one.
    """

    caller: Caller
    action: Action
    thing: things.Thing
    purposes: tuple[str, ...]
    collection: str = ""
    setup: Setup = Setup()

    def __post_init__(self) -> None:
        if not self.purposes:
            raise things.WrongQuestion("a question names at least one purpose")
        if not isinstance(self.thing, ABOUT[self.action]):
            raise things.WrongQuestion(
                f"{self.action.value} is about {ABOUT[self.action].TYPE}, not about {type(self.thing).__name__}"
            )


def caller_facts(caller: Caller) -> dict[str, object]:
    """What rules may read of the caller: facts of the party acted for, and who speaks for it."""
    acting = caller.acting
    return {
        "party": acting.code,
        "kind": acting.kind,
        "role": caller.role,
        "sectors": sorted(acting.sectors),
        "funded": acting.funded,
        "caribbean": acting.caribbean,
        "registered": acting.registered and caller.party.registered,
        "speaker": caller.party.code,
        "speaker_kind": caller.party.kind,
        "for_another": caller.on_behalf_of is not None,
        "mandate": {"__entity": {"type": "Mandate", "id": "none" if caller.mandate is None else "given"}},
    }


def mandate_facts(mandate: Mandate) -> dict[str, object]:
    """What rules may read of a mandate."""
    return {
        "giver": mandate.giver,
        "holder": mandate.holder,
        "valid_from": things.plain(mandate.valid_from),
        "valid_until": things.plain(mandate.valid_until),
        "actions": sorted(mandate.actions),
        "collections": sorted(mandate.collections),
    }


NO_MANDATE = Mandate("", "", NEVER, NEVER, frozenset(), frozenset())
