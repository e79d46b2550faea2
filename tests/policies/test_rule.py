"""Cedar text taken apart: statements with their lines, conditions one by one, the facts they read."""

import string

from hypothesis import given
from hypothesis import strategies as st

from policies.rule import attributes, conjuncts, path_of, statements
from tests.policies.world import law

RULE = 'permit (principal, action, resource) when { resource.party == "a;b // c \\" d" };'
SPACE = st.sampled_from(["", " ", "\n", "\n\n", '// note; with "marks\n', "\t// x\n"])


@given(st.lists(SPACE, min_size=1, max_size=6), SPACE)
def test_statements_are_found_whatever_stands_between_them(gaps: list[str], end: str) -> None:
    """Each rule comes out whole, with the line it starts on; comments and marks inside texts do not divide it."""
    text, lines = "", []
    for gap in gaps:
        text += gap
        lines.append(text.count("\n") + 1)
        text += RULE
    assert list(statements(text + end)) == [(line, RULE) for line in lines]


@given(st.text(alphabet=string.printable, max_size=80))
def test_nothing_of_a_text_is_lost(text: str) -> None:
    """Whatever is not space or comment ends up in a statement, so that Cedar sees it."""
    together = "".join(part for _, part in statements(text))
    marks = [mark for mark in text if mark in "{}()=&|"]
    assert all(mark in together or "//" in text for mark in marks)


def test_an_unfinished_rule_is_a_statement_too() -> None:
    """A missing semicolon is for Cedar to refuse, not for us to skip."""
    assert list(statements("permit (principal")) == [(1, "permit (principal")]


FACT = {".": {"left": {".": {"left": {"Var": "context"}, "attr": "purpose"}}, "attr": "status"}}
OWN = {".": {"left": {"Var": "resource"}, "attr": "party"}}


def test_a_conjunction_is_its_parts() -> None:
    """`a && b && c` are three conditions, `a || b` is one."""
    both = {"&&": {"left": FACT, "right": OWN}}
    assert list(conjuncts({"&&": {"left": both, "right": FACT}})) == [FACT, OWN, FACT]
    assert list(conjuncts({"||": {"left": FACT, "right": OWN}})) == [{"||": {"left": FACT, "right": OWN}}]


def test_facts_of_an_expression() -> None:
    """Each attribute chain by its path."""
    expression = {"&&": {"left": {"==": {"left": FACT, "right": {"Value": "x"}}}, "right": {"!": {"arg": OWN}}}}
    assert list(attributes(expression)) == ["context.purpose.status", "resource.party"]
    assert path_of({"Value": 1}) == ""


def test_every_condition_of_the_law_reads_a_fact_that_has_words() -> None:
    """No rule is about nothing, and no fact is without words."""
    engine = law()
    for rule in engine.rules.values():
        for condition in rule.conditions:
            facts = list(attributes(condition))
            assert facts
            assert set(facts) <= set(engine.law.vocabulary.facts)


def test_every_word_is_used() -> None:
    """The vocabulary holds no fact that no rule reads, but the two that stand for completeness."""
    engine = law()
    read = {fact for rule in engine.rules.values() for part in rule.conditions for fact in attributes(part)}
    assert set(engine.law.vocabulary.facts) - read == {"context.purpose.id"}
