"""What-if questions in AuthZEN's shape."""

# ruff: noqa: E501  a table is read by its rows

import json
import re
from typing import Any

import pytest

from policies.authzen import answer, what_if
from policies.decision import Permit
from policies.errors import BadQuestion
from policies.sources import MOST_MISFITS
from tests.policies.world import CALLERS, TWO, law, noon

SUBMIT: dict[str, Any] = {
    "action": {"name": "submit"},
    "resource": {
        "type": "Delivery",
        "properties": {"party": "00AB00", "sector": "po", "data": ["absence_counts"], "period_open": True, "exercise": True},
    },
    "context": {"purposes": ["statutory-counts"], "collection": "absence-counts"},
}  # fmt: skip
SWV = {"type": "swv", "properties": {"role": "recipient"}}
DOWNLOAD = {
    "subject": SWV,
    "action": {"name": "download-release"},
    "resource": {"type": "Slice", "properties": {"published": True, "level": "swv", "area": "own"}},
    "context": {
        "purposes": ["absence-insight-swv"],
        "collection": "absence-counts",
        "at": "2026-11-02T12:00:00+01:00",
    },
}


def ask(body: object, who: str = "school") -> dict[str, Any]:
    """The answer to a question."""
    asked = what_if(json.dumps(body).encode(), CALLERS[who], TWO)
    return answer(law().decide(asked.request, at=asked.at or noon("2026-11-02")))


def test_a_question_about_oneself_uses_ones_own_facts() -> None:
    """Without a subject, or with the own code, the register's facts count and not those of the body."""
    assert ask(SUBMIT)["decision"] is True
    posing = {
        **SUBMIT,
        "subject": {
            "type": "site",
            "id": "00EF00",
            "properties": {"role": "school", "sectors": ["po"], "funded": True},
        },
    }
    assert (
        what_if(json.dumps(posing).encode(), CALLERS["unfunded school"], TWO).request.caller
        == CALLERS["unfunded school"]
    )


def test_a_made_up_case_is_answered_for_anybody() -> None:
    """A school asks what a school partnership would get."""
    assert ask(DOWNLOAD)["decision"] is True
    assert ask({**DOWNLOAD, "subject": {"type": "gemeente", "properties": {"role": "recipient"}}})["decision"] is False


@pytest.mark.parametrize(
    ("body", "others"),
    [
        (SUBMIT, ()),
        (DOWNLOAD, ()),
        ({**SUBMIT, "subject": {**SWV, "id": "PO2505"}}, ("PO2505",)),
        ({**SUBMIT, "resource": {**SUBMIT["resource"], "id": "S-17"}}, ("S-17",)),
        ({**SUBMIT, "resource": {**SUBMIT["resource"], "properties": {**SUBMIT["resource"]["properties"], "party": "00CD00"}}}, ("00CD00",)),
        ({**SUBMIT, "resource": {**SUBMIT["resource"], "properties": {**SUBMIT["resource"]["properties"], "party": "hypothetical"}}}, ()),
    ],
)  # fmt: skip
def test_what_is_about_another_is_said_to_be(body: object, others: tuple[str, ...]) -> None:
    """Subject, resource or owner that is neither the asker nor made up: the caller answers 404."""
    assert what_if(json.dumps(body).encode(), CALLERS["school"], TWO).others == others


def test_a_permit_answers_with_grounds_and_obligations() -> None:
    """Decision true, rules, citations, version, what is asked in return."""
    context = ask(SUBMIT)["context"]
    assert context["rules"] == ["deliver-own-figures"]
    assert context["obligations"] == [{"purpose": "statutory-counts", "name": "retention_days", "value": 400}]
    assert context["policy"] == {"id": law().version.id, "sha256": law().version.sha256}


def test_a_refusal_answers_with_sentences_and_the_near_miss() -> None:
    """Decision false, a reason, both languages."""
    context = ask(
        {
            **DOWNLOAD,
            "resource": {"type": "Slice", "properties": {"published": True, "level": "gemeente", "area": "own"}},
        }
    )["context"]
    assert context["reason"] == "no-permit"
    assert context["near"]["rule"] == "download-own-slice"
    assert set(context["reason_user"]) == {"nl", "en"}
    forbidden = ask({**DOWNLOAD, "context": {"purposes": ["research"]}})["context"]
    assert forbidden["near"] is None
    assert "onderzoekers" in forbidden["reason_user"]["nl"]


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"action": {"name": "sumbit"}}, {"action.name"}),
        ({"action": {"name": "read-audit"}}, {"resource.type"}),
        ({"resource": {"type": "Delivery", "properties": {"party": "00AB00", "sctor": "po", "data": ["x"]}}}, {"body", "sector", "data.0"}),
        ({"resource": {"type": "Delivery", "properties": {"party": "00AB00", "sector": "po", "data": [], "period_open": 1}}}, {"period_open"}),
        ({"context": {"purposes": []}}, {"context.purposes"}),
        ({"context": {"purposes": ["a"], "at": "2026-11-02T12:00:00"}}, {"context.at"}),
        ({"naam 123456782": 1}, {"body"}),
        ({"context": {"purposes": ["a"], "at": "9999-12-31T23:59:59Z"}}, {"context.at"}),
        ({"context": {"purposes": ["a"], "at": "0001-01-01T00:00:00+14:00"}}, {"context.at"}),
        ({"subject": {"type": "swv", "properties": {"role": "admin"}}}, {"subject.properties.role"}),
        ({"subject": {**SWV, "id": ""}}, {"subject.id"}),
    ],
)  # fmt: skip
def test_a_bad_question_names_every_fault_and_no_value(change: dict[str, Any], keys: set[str]) -> None:
    """Keys of the form and a code; what was sent as a key is not repeated."""
    with pytest.raises(BadQuestion) as bad:
        ask({**SUBMIT, **change})
    assert {key for key, _ in bad.value.faults} == keys
    assert not [sent for sent in ("00AB00", "sctor", "123456782") if sent in str(bad.value)]
    assert all(re.fullmatch(r"[a-z_]+( \(\w+\))?", code) for _, code in bad.value.faults)


def test_however_many_faults_a_question_has_some_are_named() -> None:
    """The answer does not grow with what was sent."""
    wrong = {**SUBMIT["resource"]["properties"], "data": ["x"] * 5_000}
    with pytest.raises(BadQuestion) as bad:
        ask({**SUBMIT, "resource": {"type": "Delivery", "properties": wrong}})
    assert len(bad.value.faults) == MOST_MISFITS


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b'{"action"', b"\xff", b'{"action": NaN}'])
def test_what_is_no_json_object_is_a_bad_question(body: bytes) -> None:
    """Never another error."""
    with pytest.raises(BadQuestion):
        what_if(body, CALLERS["school"], TWO)


def test_a_made_up_asker_gets_no_more_than_an_answer() -> None:
    """The answer is a value about a thing that does not exist: nothing is looked up for it."""
    asked = what_if(json.dumps(DOWNLOAD).encode(), CALLERS["school"], TWO)
    assert asked.request.caller.party.code == "hypothetical"
    assert isinstance(law().decide(asked.request, at=noon("2026-11-02")), Permit)
