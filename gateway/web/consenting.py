"""Pages of a school: consent to pass on one pupil's hours of illness; asked, given, narrowed, confirmed, withdrawn.

No name and no evidence comes in here: the signed form stays at the school, and what is registered of it is a
commitment (`policies.consent.commitment`), which the page can compute in the browser.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from starlette.requests import Request
from starlette.responses import Response

from gateway import consents, overview
from gateway.consents import PURPOSE
from gateway.context import Gateway
from gateway.notices import notified
from gateway.outcome import Fault, Refused
from gateway.register import kind_of_code, names
from gateway.standing import Standing
from gateway.web.forms import Form, act, day_of, show, then
from gateway.web.pages import Visitor, attachment, gateway_of, page, refusal, see_other
from gateway.web.words import day
from policies.consent import (
    REQUIRED,
    AgeGroup,
    Confirmed,
    Event,
    Given,
    Giver,
    Narrowed,
    Signature,
    Stage,
    Terms,
    Withdrawn,
    possible_events,
)
from policies.consent import Refused as SaidNo
from policies.days import end_of_school_year
from policies.documents import receipt_page
from policies.parties import Kind
from policies.purpose import DataCategory

ROLE = "school"
ANSWERS = ("yes", "later", "no")
_HOME = "/school/consents"
_EVIDENCE = re.compile(r"[0-9a-f]{64}")
_LANGUAGE = re.compile(r"[a-z]{2}")
_SIGNERS = {"parent": Giver.PARENT, "other_parent": Giver.PARENT, "pupil": Giver.PUPIL}
# The field at which a problem is mended, beside those of who signs: of a new consent, and of one that is there.
_OF_NEW = {
    "RECIPIENT": "recipient", "LAST-DAY": "last_day", "FIRST-DAY": "first_day", "OLDER-SIXTEEN": "older_on",
    "OLDER-AFTER": "older_on", "OLDER-BEFORE": "age_group",
}  # fmt: skip
_OF_OLD = {"FIRST-DAY": "last_day", "NOT-NARROWER": "last_day", "WITHDRAWER": "by-pupil"}


@dataclass
class _Read:
    """What a form says, and field → what is wrong with it, as the end of a text's key."""

    form: Form
    faults: dict[str, str] = field(default_factory=dict)

    def day(self, name: str, *, optional: bool = False) -> date | None:
        """A day; None with a fault where it is none, or where an optional one is left out."""
        found = day_of(self.form[name])
        if found is None and (self.form[name] or not optional):
            self.faults[name] = "day"
        return found

    def signature(self, name: str) -> Signature | None:
        """One who consented: role, day, commitment; None where the row is left empty."""
        evidence = self.form[f"{name}_evidence"].lower()
        if not evidence and not self.form[f"{name}_date"]:
            return None
        day = self.day(f"{name}_date")
        if not _EVIDENCE.fullmatch(evidence):
            self.faults[f"{name}_evidence"] = "evidence"
        return None if self.faults or day is None else Signature(giver=_SIGNERS[name], date=day, evidence=evidence)

    def signatures(self, required: Collection[Giver]) -> tuple[Signature, ...]:
        """Everybody who consented; at least one, of those who are required."""
        found = tuple(made for name in _SIGNERS if (made := self.signature(name)))
        if not found and not self.faults:
            self.faults[f"{_signers(required)[0]}_date"] = "signature"
        return found

    def terms(self, gateway: Gateway) -> Terms | None:
        """What is asked; None with faults."""
        first, last, older = self.day("first_day"), self.day("last_day"), self.day("older_on", optional=True)
        with gateway.reading() as session:
            known = consents.may_receive(gateway, session, self.form["recipient"])
        checks = {
            "recipient": known,
            "age_group": self.form["age_group"] in set(AgeGroup),
            "language": bool(_LANGUAGE.fullmatch(self.form["language"])),
            "answer": self.form["answer"] in ANSWERS,
        }
        self.faults |= {name: name for name, holds in checks.items() if not holds}
        if last is not None and not gateway.today <= last <= end_of_school_year(gateway.today):
            self.faults["last_day"] = "last_day"
        if self.faults or first is None or last is None:
            return None
        return Terms(
            purpose=PURPOSE,
            recipient=self.form["recipient"],
            recipient_is=Kind.OTHER,
            scope=_scope(gateway),
            first_day=first,
            last_day=last,
            notice=_notice(gateway),
            language=self.form["language"],
            age_group=AgeGroup(self.form["age_group"]),
            older_on=older,
        )


def home(request: Request, who: Visitor) -> Response:
    """Every consent of this site, what waits for an answer first."""
    gateway = gateway_of(request)
    found = consents.own(gateway, who.known)
    return page(request, who, "consents.html", found=found, names=_names(request, found), today=gateway.today)


def blank(request: Request, who: Visitor) -> Response:
    """The form in which a consent is registered."""
    return _form(request, who, {})


def register(request: Request, who: Visitor, form: Form) -> Response:
    """Register what was asked and what the answer was."""
    gateway, read = gateway_of(request), _Read(form)
    terms = read.terms(gateway)
    required = REQUIRED[terms.age_group] if terms else frozenset(Giver)
    signatures = read.signatures(required) if form["answer"] == "yes" else ()
    if terms is None or read.faults:
        return _form(request, who, form.values, read.faults)
    outcome = consents.ask(gateway, who.known, terms, signatures, key=form["once"])
    if isinstance(outcome, Refused) and outcome.code == "idempotency-conflict":  # the form was gone back to
        outcome = consents.ask(gateway, who.known, terms, signatures)
    if isinstance(outcome, Refused) and outcome.report is not None:
        placed = _placed(outcome, _OF_NEW, form, list(_SIGNERS), required)
        return _form(request, who, form.values, placed=placed)
    if isinstance(outcome, Standing) and form["answer"] == "no" and outcome.state.stage is Stage.ASKED:
        outcome = consents.append(gateway, who.known, outcome.id, lambda at: SaidNo(at=at))
    return then(request, who, outcome, f"{_HOME}/{outcome.id if isinstance(outcome, Standing) else ''}")


def consent(request: Request, who: Visitor) -> Response:
    """One consent: what holds, who said so, and what can be done now."""
    standing = consents.read(gateway_of(request), who.known, request.path_params["consent"])
    return refusal(request, who, standing) if isinstance(standing, Refused) else _consent(request, who, standing)


def change(request: Request, who: Visitor, form: Form) -> Response:
    """Append what happened: a withdrawal is one button, no reason asked."""
    gateway = gateway_of(request)
    standing = consents.read(gateway, who.known, request.path_params["consent"])
    if isinstance(standing, Refused):
        return refusal(request, who, standing)
    read, required = _Read(form), _required(standing)
    make = _event(standing, read, required)
    if make is None and (not read.faults or form["act"] not in possible_events(standing.state)):
        return refusal(request, who, Refused("invalid-request"))
    if make is None:
        return _consent(request, who, standing, form.values, read.faults)
    outcome = consents.append(gateway, who.known, standing.id, make)
    if isinstance(outcome, Refused) and outcome.report is not None:
        placed = _placed(outcome, _OF_OLD, form, _signers(required), required)
        return _consent(request, who, standing, form.values, placed=placed)
    return refusal(request, who, outcome) if isinstance(outcome, Refused) else see_other(f"{_HOME}/{standing.id}")


def receipt(request: Request, who: Visitor) -> Response:
    """What the giver takes home: one page that needs nothing else."""
    gateway = gateway_of(request)
    standing = consents.read(gateway, who.known, request.path_params["consent"])
    if isinstance(standing, Refused):
        return refusal(request, who, standing)
    terms, language = standing.state.terms, who.language
    parties = [standing.site, terms.recipient if terms else ""]
    with gateway.reading() as session:
        called = names(session, parties)
    school, recipient = (called.get(code, code) for code in parties)
    made = receipt_page(
        dict(consents.receipt_for(gateway, standing)),
        school,
        language,
        recipient=recipient,
        day=lambda value: day(value, language),
    )
    return attachment(made, f"toestemming-{standing.id[:8]}.html", "text/html; charset=utf-8")


def _required(standing: Standing) -> Collection[Giver]:
    """Who has to say yes now: of a consent that was given the pupil alone, who confirms."""
    terms = standing.state.terms
    return {Giver.PUPIL} if standing.state.given or terms is None else REQUIRED[terms.age_group]


def _signers(required: Collection[Giver]) -> list[str]:
    """Fields of those who have to say yes."""
    return [name for name, giver in _SIGNERS.items() if giver in required]


def _event(standing: Standing, read: _Read, required: Collection[Giver]) -> Callable[[datetime], Event] | None:
    """The event a form asks for; None where it says too little, with the faults beside it if a field has them."""
    wanted, terms = read.form["act"], standing.state.terms
    if wanted == "refused":
        return lambda at: SaidNo(at=at)
    if wanted == "withdrawn" and read.form["by"] in set(Giver):
        return lambda at: Withdrawn(at=at, by=Giver(read.form["by"]))
    if wanted == "narrowed" and terms is not None and (last := read.day("last_day")):
        return lambda at: Narrowed(at=at, scope=terms.scope, last_day=last)
    if wanted == "given" and (found := read.signatures(required)) and not read.faults:
        return lambda at: Given(at=at, signatures=found)
    if wanted in ("confirmed-12", "confirmed-16") and (found := read.signatures(required)) and not read.faults:
        return lambda at: Confirmed.model_validate({"at": at, "event": wanted, "signature": found[-1]})
    return None


def _form(
    request: Request,
    who: Visitor,
    values: Mapping[str, str],
    faults: Mapping[str, str] | None = None,
    placed: Sequence[tuple[str, Fault]] = (),
) -> Response:
    gateway = gateway_of(request)
    purpose = gateway.law.purposes[PURPOSE]
    with gateway.reading() as session:
        recipients = [
            party for kind in sorted(purpose.recipients) for party in overview.find_parties(session, "", kind)
        ]
    return page(
        request,
        who,
        "consent_new.html",
        400 if faults or placed else 200,
        purpose=purpose,
        recipients=recipients,
        site=kind_of_code(who.known.party) == Kind.SITE,
        scope=sorted(_scope(gateway)),
        vocabulary=gateway.law.vocabulary,
        notice=_notice(gateway),
        ages={age: sorted(REQUIRED[age]) for age in AgeGroup},
        answers=ANSWERS,
        signers=list(_SIGNERS),
        values=values,
        once=values.get("once") or gateway.new_id(),
        faults=faults or {},
        placed=placed,
        today=gateway.today,
        latest=end_of_school_year(gateway.today),
    )


def _consent(  # noqa: PLR0917  one page, as it is and with what was wrong on it
    request: Request,
    who: Visitor,
    standing: Standing,
    values: Mapping[str, str] | None = None,
    faults: Mapping[str, str] | None = None,
    placed: Sequence[tuple[str, Fault]] = (),
) -> Response:
    terms = standing.state.terms
    required = REQUIRED[terms.age_group] if terms else frozenset()
    return page(
        request,
        who,
        "consent.html",
        400 if faults or placed else 200,
        standing=standing,
        terms=terms,
        names=_names(request, [standing]),
        purpose=gateway_of(request).law.purposes[PURPOSE],
        vocabulary=gateway_of(request).law.vocabulary,
        possible=possible_events(standing.state),
        notified=notified(gateway_of(request), standing.id),
        withdrawers=sorted(required | {Giver.PUPIL}),
        signers=_signers(_required(standing)),
        values=values or {},
        faults=faults or {},
        placed=placed,
        today=gateway_of(request).today,
    )


def _placed(
    refused: Refused, fields: Mapping[str, str], form: Form, signers: Sequence[str], required: Collection[Giver]
) -> list[tuple[str, Fault]]:
    """The problems of a consent, each with the field of its page at which it is mended; empty where none does."""
    days = {name: on for name in signers if (on := day_of(form[f"{name}_date"]))}
    meant = {
        "GIVER-PARENT": [name for name in signers if _SIGNERS[name] is Giver.PARENT],
        "GIVER-PUPIL": [name for name in signers if _SIGNERS[name] is Giver.PUPIL],
        "GIVER-EXTRA": [name for name in days if _SIGNERS[name] not in required],
        "SIGNATURE-DATE": sorted(days, key=lambda name: days[name], reverse=True),
    }
    anchors = {code: f"{boxes[0]}_date" for code, boxes in meant.items() if boxes} | dict(fields)
    faults = refused.report.faults if refused.report else ()
    return [(anchors.get(fault.rule.partition("-")[2], ""), fault) for fault in faults]


def _names(request: Request, found: Sequence[Standing]) -> Mapping[str, str]:
    with gateway_of(request).reading() as session:
        return names(session, [one.state.terms.recipient for one in found if one.state.terms])


def _scope(gateway: Gateway) -> frozenset[DataCategory]:
    """What is passed on: with less of it no record can be sent at all."""
    return gateway.law.purposes[PURPOSE].data


def _notice(gateway: Gateway) -> str:
    """The version of the text on the form: it changes with the purpose file it comes from."""
    return f"{PURPOSE}.{gateway.law.version.sha256[:12]}"


ROUTES = [
    show(_HOME, ROLE, home),
    show(f"{_HOME}/new", ROLE, blank),
    act(f"{_HOME}/new", ROLE, register, again=lambda request, who, form: _form(request, who, form.values)),
    show(f"{_HOME}/{{consent}}", ROLE, consent),
    act(f"{_HOME}/{{consent}}", ROLE, change),
    show(f"{_HOME}/{{consent}}/receipt", ROLE, receipt),
]
