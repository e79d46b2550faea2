"""What may happen, written again from the design page and not from the rules: the judge of the enumerated world.

Every function returns whether the act may be done; they share no code with the engine, and read only typed values.
"""

import datetime as dt
from collections.abc import Callable, Mapping

from policies.parties import Caller, Kind, Role
from policies.purpose import Purpose, Status
from policies.question import Action, Request
from policies.things import (
    Area,
    CaseData,
    Consent,
    ConsentedRecord,
    Delivery,
    Hypothesis,
    Installation,
    OwnTable,
    Records,
    Release,
    Slice,
)
from tests.policies.world import PROPOSED, START

SPEAKS_FOR_SITE = {Role.SCHOOL, Role.MACHINE}
SPEAKS_FOR_RECIPIENT = {Role.RECIPIENT, Role.MACHINE}
# What a site that left the register still owes the pupils and parents it had, and may read of its own.
STAYS_OPEN = {
    Action.READ_CONSENT,
    Action.WITHDRAW_CONSENT,
    Action.REQUEST_ACCESS,
    Action.READ_SUBMISSION,
    Action.READ_OWN_TABLE,
}
# What a purpose that does not work still owes those who consented or delivered under it, and what only stops something.
LETS_NOTHING_FLOW = {
    Action.READ_CONSENT,
    Action.WITHDRAW_CONSENT,
    Action.ANSWER_NOTICE,
    Action.READ_SUBMISSION,
    Action.WITHDRAW_SUBMISSION,
    Action.REJECT_RELEASE,
    Action.WITHDRAW_RELEASE,
}
NEVER_MORE_THAN_PUBLIC = {Kind.INSPECTORATE, Kind.RESEARCHER, Kind.PROVINCE}


def permitted(request: Request, purpose: Purpose, today: dt.date) -> bool:
    """Whether this act may be done on this day for this purpose."""
    return (
        (law_allows(purpose, today) or request.action in LETS_NOTHING_FLOW)
        and caller_may_speak(request, today)
        and no_person_to_an_swv(request)
        and health_only_under_consent(request)
        and BY_ACTION[request.action](request, purpose, today)
    )


def law_allows(purpose: Purpose, today: dt.date) -> bool:
    """In force and valid, or proposed and set in force by the operator; never elsewhere, undecided or refused."""
    if purpose.outside is not None or not purpose.valid_from <= today < purpose.valid_until:
        return False
    if purpose.status is Status.PROPOSED:
        return purpose.id in PROPOSED and today >= START
    return purpose.status is Status.IN_FORCE


def caller_may_speak(request: Request, today: dt.date) -> bool:
    """Registered (or it stays open), in a role of its kind, and for another only within a mandate of that other."""
    caller = request.caller
    registered = caller.party.registered and caller.acting.registered
    if not (registered or request.action in STAYS_OPEN) or not role_fits(caller):
        return False
    if caller.on_behalf_of is None:
        return True
    if caller.party.kind not in {Kind.SUPPLIER, Kind.BOARD}:
        return False
    mandate = caller.mandate
    return (
        mandate is not None
        and (mandate.giver, mandate.holder) == (caller.on_behalf_of.code, caller.party.code)
        and mandate.valid_from <= today < mandate.valid_until
        and request.action.value in mandate.actions
        and request.collection in mandate.collections
    )


def role_fits(caller: Caller) -> bool:
    """Operators are operators, schools are schools, and the controller's officer is of the minister or the operator."""
    if caller.role is Role.OPERATOR:
        return caller.acting.kind is Kind.OPERATOR
    if caller.role is Role.CONTROLLER_OFFICER:
        return caller.acting.kind in {Kind.MINISTER, Kind.OPERATOR}
    return caller.role is not Role.SCHOOL or caller.acting.kind in {Kind.SITE, Kind.BOARD}


def no_person_to_an_swv(request: Request) -> bool:
    """A school partnership neither gets nor gives data of a pupil."""
    hands = {request.caller.party.kind.value, request.caller.acting.kind.value, request.thing.recipient_kind}
    return not (request.thing.personal and "swv" in hands)


def health_only_under_consent(request: Request) -> bool:
    """Health data are in consented records and nowhere else."""
    return not request.thing.health or isinstance(request.thing, ConsentedRecord)


def two_hands(request: Request, *, exercise: bool) -> bool:
    """A real period needs two operators, or the operator's word that it is unsafe."""
    return exercise or request.setup.two_operators or request.setup.unsafe_single_operator


def delivering(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """A funded site of the European Netherlands, for itself, what the purpose lists, while the period is open."""
    caller, thing = request.caller.acting, request.thing
    assert isinstance(thing, Delivery)
    ordinary = (
        request.caller.role in SPEAKS_FOR_SITE
        and caller.code == thing.party
        and caller.kind in purpose.senders
        and thing.period_open
    )
    if request.action is Action.WITHDRAW_SUBMISSION:
        return ordinary
    return (
        ordinary
        and caller.funded
        and not caller.caribbean
        and thing.sector in caller.sectors
        and thing.sector != "mbo"
        and request.collection in purpose.collections
        and thing.data <= purpose.data
        and not {"article_11_counts", "suspension_counts"} & set(thing.data)
        and (thing.agreement or not thing.personal)
        and two_hands(request, exercise=thing.exercise)
    )


def reading_delivery(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Only the site itself."""
    assert isinstance(request.thing, Delivery)
    caller = request.caller
    return (
        caller.role in SPEAKS_FOR_SITE
        and caller.acting.code == request.thing.party
        and caller.acting.kind in purpose.senders
    )


def reading_own_table(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Small counts are read by the site and nobody else."""
    assert isinstance(request.thing, OwnTable)
    caller = request.caller
    return (
        caller.role in SPEAKS_FOR_SITE
        and caller.acting.code == request.thing.party
        and caller.acting.kind in purpose.recipients
    )


def from_five(thing: Release, purpose: Purpose) -> bool:
    """The rule of a table is at least as strict as the law and as its purpose."""
    asked = purpose.release.minimum if purpose.release else 0
    return thing.minimum >= max(5, asked) and thing.zeros_are_small and thing.complements


def has_tables(purpose: Purpose) -> bool:
    """The purpose lets tables out."""
    return "protected_tables" in purpose.data


def building(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """The operator or its program."""
    assert isinstance(request.thing, Release)
    caller = request.caller
    is_operator = caller.role is Role.OPERATOR or (caller.role is Role.MACHINE and caller.acting.kind is Kind.OPERATOR)
    return is_operator and has_tables(purpose) and from_five(request.thing, purpose)


def approving(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Another person of the operator, once, with a reason, after the attacker failed."""
    thing = request.thing
    assert isinstance(thing, Release)
    return ready_to_leave(request, thing, purpose) and not thing.built_by_caller and not thing.approved_by_caller


def publishing(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """As many approvals as the purpose asks for, one at least."""
    assert isinstance(request.thing, Release)
    enough = request.thing.approvals >= max(1, purpose.four_eyes.approvals)
    return ready_to_leave(request, request.thing, purpose) and enough


def ready_to_leave(request: Request, thing: Release, purpose: Purpose) -> bool:
    """What approving and publishing share."""
    return (
        request.caller.role is Role.OPERATOR
        and has_tables(purpose)
        and from_five(thing, purpose)
        and thing.attacker_failed
        and thing.reasoned
        and not (thing.published or thing.withdrawn)
    )


def stopping_release(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Any person of the operator, with a reason."""
    assert isinstance(request.thing, Release)
    return request.caller.role is Role.OPERATOR and has_tables(purpose) and request.thing.reasoned


def not_more_than_public(request: Request, purpose: Purpose) -> bool:
    """Inspectorate, researchers and provinces see what everybody sees."""
    return request.caller.acting.kind not in NEVER_MORE_THAN_PUBLIC or Kind.PUBLIC in purpose.recipients


def seeing_release(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Recipients and the public what is published; the operator always; officers the certificate."""
    thing, caller = request.thing, request.caller
    assert isinstance(thing, Release)
    officer = (
        caller.role in {Role.PRIVACY_OFFICER, Role.CONTROLLER_OFFICER} and request.action is Action.READ_CERTIFICATE
    )
    audience = caller.acting.kind in purpose.recipients or Kind.PUBLIC in purpose.recipients or officer
    seen = caller.role is Role.OPERATOR or (thing.published and audience)
    return seen and not_more_than_public(request, purpose) and request.collection in purpose.collections


def downloading(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Protected tables only, once they are out: the own part, the public part, or all of it for the operator."""
    thing, caller = request.thing, request.caller
    assert isinstance(thing, Slice)
    if thing.form != "table" or thing.data - {"protected_tables"} or not not_more_than_public(request, purpose):
        return False
    if not thing.published or request.collection not in purpose.collections:
        return False
    if caller.role is Role.OPERATOR:
        return True
    if thing.withdrawn:
        return False
    if comparing(request, purpose):
        return True
    if thing.level not in purpose.levels:
        return False
    own = (
        caller.role in SPEAKS_FOR_RECIPIENT
        and caller.acting.kind in purpose.recipients - {Kind.PUBLIC}
        and thing.area is not Area.FOREIGN
    )
    return own or (Kind.PUBLIC in purpose.recipients and thing.area is Area.COUNTRY)


def comparing(request: Request, purpose: Purpose) -> bool:
    """A school beside its own partnership, under a purpose that gives schools tables."""
    thing, caller = request.thing, request.caller
    assert isinstance(thing, Slice)
    return (
        caller.role in {Role.SCHOOL, Role.MACHINE}
        and caller.acting.kind is Kind.SITE
        and Kind.SITE in purpose.recipients
        and has_tables(purpose)
        and (thing.level, thing.area) == ("swv", Area.OWN)
    )


def never(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Case data have no way through this gateway."""
    assert isinstance(request.thing, CaseData)
    return False


def keeping_consent(request: Request, purpose: Purpose, today: dt.date) -> bool:
    """The site that holds the evidence; registering needs a complete one with an end in this school year.

    Once it is given it needs the site's processor agreement too.
    """
    thing, caller = request.thing, request.caller
    assert isinstance(thing, Consent)
    holder = (
        caller.role in SPEAKS_FOR_SITE and caller.acting.code == thing.party and caller.acting.kind in purpose.senders
    )
    if request.action is not Action.REGISTER_CONSENT:
        return holder
    return (
        holder
        and thing.complete
        and thing.recipient_is in purpose.recipients
        and today <= thing.until <= thing.latest
        and (thing.agreement or not thing.given)
    )


def named_in_consent(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """The one recipient that the consent names."""
    thing, caller = request.thing, request.caller
    assert isinstance(thing, Consent)
    return (
        caller.role in SPEAKS_FOR_RECIPIENT
        and caller.acting.code == thing.recipient
        and caller.acting.kind in purpose.recipients
        and thing.given
    )


def knowing_consent(request: Request, purpose: Purpose, today: dt.date) -> bool:
    """The holder and the named recipient."""
    return keeping_consent(request, purpose, today) or named_in_consent(request, purpose, today)


def consent_holds(thing: ConsentedRecord, purpose: Purpose, today: dt.date) -> bool:
    """Given, on this day, for this recipient, all of these data, within the purpose, of a site with an agreement."""
    return (
        thing.consent_state == "given"
        and thing.agreement
        and thing.consent_from <= today <= thing.consent_until
        and thing.consent_recipient == thing.recipient
        and thing.data <= thing.consent_scope
        and thing.data <= purpose.data
        and thing.recipient_is in purpose.recipients
    )


def sending_record(request: Request, purpose: Purpose, today: dt.date) -> bool:
    """The site, under a consent of its own, sealed."""
    thing, caller = request.thing, request.caller
    assert isinstance(thing, ConsentedRecord)
    return (
        caller.role in SPEAKS_FOR_SITE
        and caller.acting.code == thing.party == thing.consent_party
        and caller.acting.kind in purpose.senders
        and thing.sealed
        and consent_holds(thing, purpose, today)
    )


def receiving_record(request: Request, purpose: Purpose, today: dt.date) -> bool:
    """The recipient of record and consent, while the consent holds."""
    thing, caller = request.thing, request.caller
    assert isinstance(thing, ConsentedRecord)
    return (
        caller.role in SPEAKS_FOR_RECIPIENT
        and caller.acting.code == thing.recipient
        and caller.acting.kind in purpose.recipients
        and consent_holds(thing, purpose, today)
    )


def asking_access(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """A school and its officer about the own school, the controller's officer about all."""
    assert isinstance(request.thing, Records)
    caller = request.caller
    own = caller.acting.code == request.thing.party
    return caller.role is Role.CONTROLLER_OFFICER or (caller.role in {Role.SCHOOL, Role.PRIVACY_OFFICER} and own)


def checking_trail(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Officers: the own organisation, or all for the controller's."""
    assert isinstance(request.thing, Records)
    caller = request.caller
    own = caller.acting.code == request.thing.party
    return caller.role is Role.CONTROLLER_OFFICER or (caller.role is Role.PRIVACY_OFFICER and own)


def anybody(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """The register is public."""
    assert isinstance(request.thing, Installation)
    return True


def about_yourself(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """A made-up case, or the own."""
    assert isinstance(request.thing, Hypothesis)
    return request.thing.party in {"", request.caller.acting.code}


def managing(request: Request, purpose: Purpose, _: dt.date) -> bool:
    """Persons of the operator; its program may only erase; a real period asks for two operators."""
    caller, thing = request.caller, request.thing
    assert isinstance(thing, Installation)
    if request.action is Action.RUN_RETENTION and caller.role is Role.MACHINE and caller.acting.kind is Kind.OPERATOR:
        return True
    hands = request.action is not Action.MANAGE_PERIODS or two_hands(request, exercise=thing.exercise)
    return caller.role is Role.OPERATOR and hands


BY_ACTION: Mapping[Action, Callable[[Request, Purpose, dt.date], bool]] = {
    Action.SUBMIT: delivering,
    Action.CHECK: delivering,
    Action.CONFIRM: delivering,
    Action.WITHDRAW_SUBMISSION: delivering,
    Action.READ_SUBMISSION: reading_delivery,
    Action.READ_OWN_TABLE: reading_own_table,
    Action.BUILD_RELEASE: building,
    Action.APPROVE_RELEASE: approving,
    Action.PUBLISH_RELEASE: publishing,
    Action.REJECT_RELEASE: stopping_release,
    Action.WITHDRAW_RELEASE: stopping_release,
    Action.READ_RELEASE: seeing_release,
    Action.READ_CERTIFICATE: seeing_release,
    Action.DOWNLOAD_RELEASE: downloading,
    Action.REQUEST_DATA: never,
    Action.SEND_DATA: never,
    Action.REGISTER_CONSENT: keeping_consent,
    Action.WITHDRAW_CONSENT: keeping_consent,
    Action.READ_CONSENT: knowing_consent,
    Action.ANSWER_NOTICE: named_in_consent,
    Action.SUBMIT_CONSENTED_RECORD: sending_record,
    Action.READ_CONSENTED_RECORD: receiving_record,
    Action.REQUEST_ACCESS: asking_access,
    Action.READ_AUDIT: checking_trail,
    Action.EXPORT_AUDIT: checking_trail,
    Action.REVIEW_AUDIT: checking_trail,
    Action.READ_REGISTER_OF_PROCESSING: anybody,
    Action.ASK_DECISION: about_yourself,
    Action.MANAGE_REGISTER: managing,
    Action.MANAGE_PERIODS: managing,
    Action.MANAGE_KEYS: managing,
    Action.MANAGE_ACCESS: managing,
    Action.RUN_RETENTION: managing,
}
