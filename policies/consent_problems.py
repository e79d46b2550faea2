"""What keeps an event from being appended to a consent: each problem a value with its remedy, all found at once."""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from policies.consent import (
    CONFIRMS,
    REQUIRED,
    AgeGroup,
    Asked,
    Confirmed,
    Event,
    Given,
    Giver,
    Narrowed,
    Signature,
    Terms,
    Withdrawn,
    fold,
    possible_events,
)
from policies.days import end_of_school_year, local_day, start_of_school_year
from policies.purpose import Purpose
from policies.sources import Text


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an event cannot be taken: a stable code and a sentence with the remedy, in both languages."""

    code: str
    text: Text


def problems_of(events: Sequence[Event], new: Event, *, purpose: Purpose, now: dt.datetime) -> tuple[Problem, ...]:
    """Everything that keeps `new` from being appended; empty when it may be.

    Args:
        events: the stored history.
        new: the event to append; its moment is the moment of receipt.
        purpose: the purpose the consent is for.
        now: the moment of the check.
    """
    state = fold(events, now)
    today = local_day(now)
    found: list[str] = []
    if new.at > now or (state.last is not None and new.at < state.last):
        found.append("clock")
    if new.event not in possible_events(state):
        found.append("not-now")
    elif isinstance(new, Asked):
        found += _wrong_terms(new.terms, purpose, today)
    elif isinstance(new, Given) and state.terms is not None:
        found += _wrong_signatures(state.terms, new.signatures, today)
    elif isinstance(new, Confirmed):
        older = state.terms.older_on if state.terms else None
        found += ["giver-pupil"] * (new.signature.giver is not Giver.PUPIL)
        found += _wrong_dates((new.signature,), today, since=older or today)
    elif isinstance(new, Withdrawn) and state.terms is not None:
        found += ["withdrawer"] * (new.by is Giver.PARENT and _is_sixteen(state.terms, today))
    elif isinstance(new, Narrowed) and state.terms is not None:
        found += _wrong_narrowing(state.terms, new)
    return tuple(Problem(code, PROBLEMS[code]) for code in dict.fromkeys(found))


def _is_sixteen(terms: Terms, today: dt.date) -> bool:
    turned = terms.age_group is AgeGroup.FROM_12 and terms.older_on is not None and today >= terms.older_on
    return turned or terms.age_group is AgeGroup.FROM_16


def _wrong_terms(terms: Terms, purpose: Purpose, today: dt.date) -> Iterator[str]:
    if terms.purpose != purpose.id or terms.recipient_is not in purpose.recipients:
        yield "recipient"
    if not terms.scope or not terms.scope <= purpose.data:
        yield "scope"
    if not today <= terms.last_day <= end_of_school_year(today):
        yield "last-day"
    if not start_of_school_year(today) <= terms.first_day <= terms.last_day:
        yield "first-day"
    if terms.older_on is not None and terms.age_group not in CONFIRMS:
        yield "older-sixteen"
    elif terms.older_on is not None and terms.older_on > terms.last_day:
        yield "older-after"
    elif terms.older_on is not None and terms.older_on <= max(today, terms.first_day):
        yield "older-before"


def _wrong_signatures(terms: Terms, signatures: Sequence[Signature], today: dt.date) -> Iterator[str]:
    givers = {signature.giver for signature in signatures}
    required = REQUIRED[terms.age_group]
    yield from (f"giver-{giver.value}" for giver in sorted(required - givers))
    if givers - required or sum(signature.giver is Giver.PUPIL for signature in signatures) > 1:
        yield "giver-extra"
    if terms.older_on is not None and today >= terms.older_on:
        yield "older-since"
    yield from _wrong_dates(signatures, today, since=start_of_school_year(terms.last_day))


def _wrong_dates(signatures: Iterable[Signature], today: dt.date, *, since: dt.date) -> list[str]:
    """A day that is still to come, or too long ago.

    That is before a pupil who confirms was twelve or sixteen, and else before 1 August of the consent's school year: a
    consent ends with its school year and is asked anew in the next, so that a form of before was about another one.
    """
    return [] if all(since <= signature.date <= today for signature in signatures) else ["signature-date"]


def _wrong_narrowing(terms: Terms, new: Narrowed) -> Iterator[str]:
    """A record holds everything that is passed on: without a part of it none may be there, as after a withdrawal."""
    if not (new.scope <= terms.scope and new.last_day <= terms.last_day):
        yield "not-narrower"
    elif not new.scope or terms.scope - new.scope:
        yield "withdraw-instead"
    if new.last_day < terms.first_day:
        yield "first-day"


PROBLEMS: Mapping[str, Text] = {
    "clock": Text(
        nl="Het moment ligt in de toekomst of vóór de vorige gebeurtenis: controleer de klok.",
        en="The moment lies in the future or before the previous event: check the clock.",
    ),
    "not-now": Text(
        nl="Deze gebeurtenis kan nu niet: bekijk de toestand van de toestemming.",
        en="This event is not possible now: look at the state of the consent.",
    ),
    "recipient": Text(
        nl="De ontvanger hoort niet bij dit doel: noem een partij die het doel als ontvanger kent.",
        en="The recipient does not belong to this purpose: name a party that the purpose has as recipient.",
    ),
    "scope": Text(
        nl="Niet gezegd is voor welke gegevens, of ze horen niet bij dit doel: noem ten minste één soort van het doel.",
        en="It is not said for which data, or they are not of this purpose: name at least one category of the purpose.",
    ),
    "last-day": Text(
        nl="De laatste dag past niet: kies vandaag of later, en uiterlijk 31 juli van dit schooljaar.",
        en="The last day does not fit: choose today or later, and at the latest 31 July of this school year.",
    ),
    "first-day": Text(
        nl="De eerste dag ligt na de laatste of vóór dit schooljaar: kies een andere eerste of een latere laatste dag.",
        en="The first day is after the last or before this school year: choose another first day or a later last one.",
    ),
    "older-sixteen": Text(
        nl="Vanaf zestien jaar blijft gelijk wie ja zegt: laat leeg op welke dag de leerling ouder wordt.",
        en="From sixteen on it stays the same who says yes: leave out the day on which the pupil grows older.",
    ),
    "older-after": Text(
        nl="De leerling wordt pas na de laatste dag twaalf of zestien: laat leeg op welke dag.",
        en="The pupil turns twelve or sixteen only after the last day: leave out on which day.",
    ),
    "older-before": Text(
        nl="De leerling is al twaalf of zestien als de toestemming begint: kies die leeftijd en laat de dag leeg.",
        en="The pupil is twelve or sixteen already when the consent begins: choose that age and leave out the day.",
    ),
    "older-since": Text(
        nl="De leerling is intussen twaalf of zestien geworden: vraag het opnieuw, met de leeftijd van nu.",
        en="The pupil has turned twelve or sixteen since it was asked: ask again, with the age of today.",
    ),
    "giver-parent": Text(
        nl="De toestemming van een ouder ontbreekt: onder de twaalf, en tot zestien naast de leerling, is die nodig.",
        en="The consent of a parent is missing: it is needed below twelve, and up to sixteen beside the pupil's.",
    ),
    "giver-pupil": Text(
        nl="De toestemming van de leerling zelf ontbreekt: vanaf twaalf jaar is die nodig.",
        en="The consent of the pupil is missing: from twelve years on it is needed.",
    ),
    "giver-extra": Text(
        nl="Er is meer vastgelegd dan nodig: laat weg wie op deze leeftijd niet hoeft toe te stemmen.",
        en="More is recorded than needed: leave out whoever need not consent at this age.",
    ),
    "withdrawer": Text(
        nl="Vanaf zestien jaar beslist de leerling alleen: laat de leerling zelf intrekken.",
        en="From sixteen on the pupil alone decides: let the pupil withdraw.",
    ),
    "signature-date": Text(
        nl="Een dag van tekenen komt nog, ligt vóór dit schooljaar, of de leerling was nog geen twaalf of zestien: "
        "controleer de datum of vraag het opnieuw.",
        en="A day of signing is to come, lies before this school year, or the pupil was not twelve or sixteen yet: "
        "check the date or ask again.",
    ),
    "not-narrower": Text(
        nl="Dit is niet minder dan wat geldt: vraag voor meer gegevens of een latere dag opnieuw toestemming.",
        en="This is not less than what holds: for more data or a later day ask for consent again.",
    ),
    "withdraw-instead": Text(
        nl="Met minder gegevens kan niets worden doorgegeven, en wat er al is moet weg: trek de toestemming in.",
        en="With less data nothing can be passed on, and what is there already has to go: withdraw the consent.",
    ),
}
