"""What the house asks of a rule beyond Cedar's own checks: a citation, a standing in law, words, and a plain form."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from policies.errors import Fault, sentence
from policies.parties import Kind, Role
from policies.purpose import DataCategory, InForce, Purposes, Status
from policies.question import Action
from policies.render import Unspeakable, rule_sentence
from policies.rule import ANNOTATIONS, OPTIONAL_ANNOTATIONS, Rule, attributes
from policies.sources import Sources
from policies.terms import OBLIGATIONS
from policies.things import Area
from policies.vocabulary import Vocabulary

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def rule_faults(rules: Sequence[Rule], sources: Sources, vocabulary: Vocabulary) -> list[Fault]:
    """Everything wrong with the rules, each fault with file and line."""
    faults = [fault for rule in rules for check in _CHECKS for fault in check(rule)]
    faults += [fault for rule in rules for fault in _citation(rule, sources)]
    faults += [fault for rule in rules for fault in _words(rule, vocabulary)]
    twice = {name for name, times in Counter(rule.id for rule in rules).items() if times > 1}
    faults += [_at(rule, f"a second rule {rule.id}", "Give it an id of its own") for rule in rules if rule.id in twice]
    return (
        faults
        + [_missing_word(code) for code in _CODES if code not in vocabulary.values]
        + [_missing_word(action.value) for action in Action if action.value not in vocabulary.actions]
    )


def in_force_faults(words: Sequence[InForce], purposes: Purposes) -> Iterator[Fault]:
    """An operator may set in force what is proposed, once each; never what is undecided, refused or unknown."""
    for word, times in Counter(word.purpose for word in words).items():
        if word not in purposes:
            yield _setting(word, "no such purpose", "Correct the id")
        elif purposes[word].status is not Status.PROPOSED:
            yield _setting(
                word, f"its status is {purposes[word].status.value}", "Only a proposed purpose can be set in force"
            )
        elif times > 1:
            yield _setting(word, "set in force twice", "Keep one date")


def _setting(purpose: str, what: str, fix: str) -> Fault:
    return Fault("set in force by the operator", purpose, what, fix)


def _at(rule: Rule, what: str, fix: str) -> Fault:
    return Fault(rule.file, f"line {rule.line}", what, fix)


def _missing_word(code: str) -> Fault:
    return Fault("vocabulary.toml", code, "has no words", "Add nl and en under [values] or [actions]")


_CODES = [*(code.value for kind in (Kind, Role, DataCategory, Status, Area) for code in kind)]


def _annotations(rule: Rule) -> Iterator[Fault]:
    for name in ANNOTATIONS:
        if not rule.annotations.get(name, "").strip():
            yield _at(rule, f"@{name} is missing or empty", f'Add @{name}("…"): a rule without citation is refused')
    for name in sorted(set(rule.annotations) - {*ANNOTATIONS, *OPTIONAL_ANNOTATIONS}):
        yield _at(rule, f"unknown annotation @{name}", f"Use {', '.join((*ANNOTATIONS, *OPTIONAL_ANNOTATIONS))}")
    if rule.id and not _ID.fullmatch(rule.id):
        yield _at(rule, "@id is not lower-case words with hyphens", "Write it like swv-no-personal-data")


def _standing(rule: Rule) -> Iterator[Fault]:
    status = rule.annotations.get("status", "")
    if status and status not in set(Status):
        yield _at(rule, f"@status is {status}", f"Use one of {', '.join(Status)}")
    elif status and rule.effect == "permit" and Status(status).off:
        yield _at(rule, f"a permit with status {status}", "What the law leaves open or refuses is a forbid")


def _effect(rule: Rule) -> Iterator[Fault]:
    if rule.effect == "permit" and rule.conceals:
        yield _at(rule, "@conceals on a permit", "Only a forbid conceals")
    if rule.effect == "forbid" and rule.obliges:
        yield _at(rule, "@obliges on a forbid", "Only a permit asks something in return")
    if rule.annotations.get("conceals", "yes") != "yes":
        yield _at(rule, f"@conceals is {rule.annotations['conceals']}", 'Write @conceals("yes"), or leave it out')
    for name in sorted(set(rule.obliges) - set(OBLIGATIONS)):
        yield _at(rule, f"@obliges names {name}", f"Use {', '.join(OBLIGATIONS)}")


def _scope(rule: Rule) -> Iterator[Fault]:
    if rule.form["principal"]["op"] != "All" or rule.form["resource"]["op"] != "All":
        yield _at(
            rule, "it names a principal or resource", "Write (principal, action …, resource) and put it in a condition"
        )
    for condition in rule.conditions:
        if not list(attributes(condition)):
            yield _at(rule, "a condition that reads no fact", "A condition is about a fact, not always true or false")


_CHECKS: tuple[Callable[[Rule], Iterable[Fault]], ...] = (_annotations, _standing, _effect, _scope)


def _citation(rule: Rule, sources: Sources) -> Iterator[Fault]:
    key = rule.annotations.get("source", "").partition(" par. ")[0]
    if key and key not in sources:
        yield _at(rule, f"@source names {key}, which is not in sources.toml", "Add the document or correct the key")


def _words(rule: Rule, vocabulary: Vocabulary) -> Iterator[Fault]:
    try:
        rule_sentence(rule, vocabulary)
    except Unspeakable as error:
        what, _, fix = str(error).partition(": ")
        yield _at(rule, what, sentence(fix))
