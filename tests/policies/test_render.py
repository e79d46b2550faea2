"""Sentences made from a rule's own structure."""

# ruff: noqa: E501, ISC004  a table is read by its rows

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.render import Unspeakable, condition, rule_sentence
from policies.rule import Expression
from policies.sources import Text
from policies.vocabulary import Vocabulary, parse_vocabulary
from tests.policies.world import law

WORDS: Vocabulary = law().law.vocabulary


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            "swv-no-personal-data",
            "Verboden is elke handeling, wanneer dit geldt: het gaat om gegevens van een leerling, behalve wanneer dit alles "
            "geldt: de soort deelnemer is niet samenwerkingsverband; de soort van wie de vraag stelt is niet samenwerkingsverband; de soort ontvanger is niet samenwerkingsverband.",
        ),
        (
            "counts-from-five",
            "Verboden is een uitlevering bouwen, een uitlevering goedkeuren of een uitlevering publiceren, behalve wanneer dit "
            "alles geldt: het kleinste getoonde aantal is ten minste 5; het kleinste getoonde aantal is ten minste het kleinste "
            "aantal dat het doel toont; nul telt als klein; ook wat overblijft is beschermd.",
        ),
        (
            "download-what-is-public",
            "Toegestaan is een deel van een uitlevering ophalen, wanneer dit alles geldt: de uitlevering is gepubliceerd; "
            "iedereen hoort bij de ontvangers van het doel; het gevraagde niveau hoort bij de niveaus van het doel; "
            "het gevraagde gebied is het land.",
        ),
        ("register-is-public", "Toegestaan is het register van verwerkingen inzien."),
    ],
)  # fmt: skip
def test_a_rule_reads_as_a_sentence(rule: str, sentence: str) -> None:
    """The structure in Dutch, to lay beside the lawyer's explanation."""
    assert rule_sentence(law().rules[rule], WORDS).nl == sentence


def test_every_rule_has_a_sentence_in_both_languages() -> None:
    """And no code word of a fact is left in it."""
    for rule in law().rules.values():
        said = rule_sentence(rule, WORDS)
        for text in (said.nl, said.en):
            assert text.endswith(".")
            assert "principal" not in text
            assert "resource" not in text
            assert "_" not in text


def fact(path: str) -> Expression:
    """An attribute chain from its path."""
    variable, *names = path.split(".")
    node: Expression = {"Var": variable}
    for name in names:
        node = {".": {"left": node, "attr": name}}
    return node


def value(literal: object) -> Expression:
    """A literal."""
    return {"Value": literal}


ATOMS = st.sampled_from([
    fact("principal.funded"),
    {"==": {"left": fact("principal.kind"), "right": value("swv")}},
    {"<=": {"left": fact("context.today"), "right": fact("resource.until")}},
    {">": {"left": fact("resource.minimum"), "right": value(5)}},
    {"contains": {"left": fact("context.purpose.senders"), "right": fact("principal.kind")}},
    {"containsAll": {"left": {"Set": [value("protected_tables")]}, "right": fact("resource.data")}},
])  # fmt: skip
EXPRESSIONS = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds(lambda part: {"!": {"arg": part}}, inner),
        st.builds(lambda sign, left, right: {sign: {"left": left, "right": right}}, st.sampled_from(["&&", "||"]), inner, inner),
    ),
    max_leaves=8,
)  # fmt: skip


@given(EXPRESSIONS)
def test_a_double_negation_says_the_same(expression: Expression) -> None:
    """Negating a structure twice gives its own sentence, and once another one."""
    said = condition(expression, WORDS)
    denied: Expression = {"!": {"arg": expression}}
    assert condition({"!": {"arg": denied}}, WORDS) == said
    assert condition(denied, WORDS) == condition(expression, WORDS, negated=True) != said


@pytest.mark.parametrize(
    ("expression", "nl", "en"),
    [
        ({"<": {"left": fact("context.today"), "right": fact("resource.until")}}, "vandaag ligt vóór de laatste dag van de toestemming", "today is before the last day of the consent"),
        ({"<": {"left": fact("resource.minimum"), "right": value(5)}}, "het kleinste getoonde aantal is kleiner dan 5", "the smallest count shown is less than 5"),
        ({"!": {"arg": {"<": {"left": fact("resource.minimum"), "right": value(5)}}}}, "het kleinste getoonde aantal is ten minste 5", "the smallest count shown is at least 5"),
        ({"==": {"left": fact("resource.party"), "right": value("")}}, "de partij van wie het is ontbreekt", "the party it belongs to is absent"),
        ({"!=": {"left": fact("resource.party"), "right": value("")}}, "de partij van wie het is is er", "the party it belongs to is present"),
        ({"!": {"arg": {"||": {"left": fact("principal.funded"), "right": fact("principal.caribbean")}}}}, "de school is niet bekostigd en de school ligt niet in Caribisch Nederland", "the school is not funded and the school is not in the Caribbean Netherlands"),
        ({"==": {"left": fact("resource.level"), "right": value("wijk")}}, "het gevraagde niveau is “wijk”", "the level asked for is “wijk”"),
    ],
)  # fmt: skip
def test_a_condition_in_words(expression: Expression, nl: str, en: str) -> None:
    """Days are before and after, numbers less and more, negations are worked out."""
    assert condition(expression, WORDS) == Text(nl=nl, en=en)


@pytest.mark.parametrize(
    "expression",
    [
        {"like": {"left": fact("resource.party"), "pattern": ["Wildcard"]}},
        {"+": {"left": value(1), "right": value(2)}},
        fact("resource.party"),
        {"==": {"left": fact("resource.nowhere"), "right": value(1)}},
        {"if-then-else": {}},
    ],
)  # fmt: skip
def test_what_has_no_sentence_is_refused(expression: Expression) -> None:
    """Constructions outside the small language, text used as yes or no, facts without words."""
    with pytest.raises(Unspeakable):
        condition(expression, WORDS)


def test_the_two_sides_of_a_yes_or_no_go_together() -> None:
    """A statement without its denial is not loaded."""
    with pytest.raises(ValueError, match="not_nl and not_en go together"):
        parse_vocabulary('actions = {}\nvalues = {}\n[facts]\nx = { nl = "a", en = "b", not_nl = "c", told = true }')
