"""The adversary is a careless programmer: he puts what he knows of pupils into every field of an entry he can reach.

Whatever he tries, either the entry is refused or its bytes hold nothing of it.
"""

import dataclasses
import random
import re
from typing import Any

import pytest

from audit.entry import Activity, Actor, Entry, Object, Policy
from audit.errors import EntryError
from audit.events import Event, Role
from audit.spelling import encode
from tests.audit.world import ACTIVITY, OPERATOR, SITE, VOCABULARY, entry

FIELDS = ("actor", "rules", "policy", "purpose", "basis", "activity", "party", "recipient", "period", "object",
          "subjects_root", "cause", "amount", "trace_id", "span_id", "decision", "event")  # fmt: skip
# What a good entry says itself: the time, the version, the codes of the example, random ids, and the serial number
# that a key, policy, purpose, log or account has.
_OWN = re.compile(
    r'"ts":\d+|"v":1|"version":"3"|2026-2027|00AB00|AVG 6\(1\)\(e\); WPO 40a|[0a-d]{16,}'
    r'|(?<="id":")(?:key|policy|purpose|log|account):[a-z-]+(?:/20\d\d-20\d\d)?/\d{1,4}'
)
NAMES = (
    "Jan Jansen",
    "jan.jansen",
    "jan-jansen",
    "Fatima El Amrani",
    "S\u00f8ren",
    "JANSEN",
    "jansen",
    "De Vries, A.B.",
)


def _secret(chance: random.Random) -> str:
    """A name, number, date, address, account, illness, class, file name, pseudonym or count."""
    number = "".join(chance.choice("0123456789") for _ in range(9))
    return chance.choice([
        chance.choice(NAMES),
        number,
        f"{number[:3]}.{number[3:6]}.{number[6:]}",
        f"20{chance.randrange(5, 20):02d}-{chance.randrange(1, 13):02d}-{chance.randrange(1, 29):02d}",
        f"{chance.randrange(1, 29):02d}-0{chance.randrange(1, 9)}-2012",
        f"ouder{chance.randrange(99)}@example.nl",
        f"10.{chance.randrange(256)}.{chance.randrange(256)}.{chance.randrange(256)}",
        "2001:db8::" + f"{chance.randrange(65536):x}",
        f"06-{chance.randrange(10_000_000, 99_999_999)}",
        chance.choice(["migraine", "griep", "klas 3b", "3 rows refused", "leerling 12", "klas_3b.csv", "C:\\jan"]),
        f"+316{chance.randrange(10_000_000, 99_999_999)}",
        str(chance.randrange(1, 60)),
        f"{chance.randrange(1, 9999)} leerlingen",
    ])  # fmt: skip


def _planted(chance: random.Random, secret: str, field: str) -> Any:  # noqa: ANN401  any field
    """The secret in the form of a field, bare or dressed as what belongs there."""
    dressed = chance.choice([secret, secret.upper(), f"{SITE}{secret}", f"statutory-counts {secret}", f"{secret}\n"])
    kind = chance.choice(["submission", "key", "table", "party", "session", "leerling", "account"])
    forms: dict[str, Any] = {
        "actor": lambda: Actor(Role.SCHOOL, dressed),
        "rules": lambda: chance.choice([(dressed,), ("COUNT-TOTAL", dressed), [secret], secret, (3,)]),
        "policy": lambda: Policy(dressed, bytes(32)),
        "activity": lambda: chance.choice([Activity(ACTIVITY.uri + dressed, "3"), Activity(ACTIVITY.uri, dressed)]),
        "object": lambda: Object(f"{kind}:{chance.choice([dressed, 'statutory-counts/' + dressed, dressed + '/1'])}"),
        "subjects_root": lambda: chance.choice([dressed.encode(), secret]),
        "cause": lambda: chance.choice([dressed.encode(), secret]),
        "amount": lambda: chance.choice([secret, chance.randrange(1, 60), True, 3.5]),
        "event": lambda: dressed,
        "decision": lambda: dressed,
    }
    return forms.get(field, lambda: dressed)()


def _write(chance: random.Random, secret: str) -> bytes:
    """A good submission entry, or an entry of any event, with the secret in one to three of its fields."""
    trace = {"trace_id": "ab" * 16, "span_id": "cd" * 8, "parent_span_id": None}
    fields: dict[str, Any] = {"event": chance.choice(list(Event)), "actor": Actor(Role.GATEWAY, OPERATOR)}
    if chance.random() < 0.5:
        good = entry()
        fields = {each.name: getattr(good, each.name) for each in dataclasses.fields(good)} | {"period": "2026-2027"}
    for field in chance.sample(FIELDS, chance.randrange(1, 4)):
        target = trace if field in trace else fields
        target[field] = _planted(chance, secret, field)
    made = Entry(**fields)
    VOCABULARY.demand(made)
    return encode(made, salt=bytes(16), ts=1_795_420_800_000, **trace)


def _campaign(seed: int, rounds: int) -> tuple[int, list[str]]:
    """How many entries were refused, and in which the secret could be read."""
    chance, refused, leaked = random.Random(seed), 0, []  # noqa: S311  a campaign repeats itself
    for number in range(rounds):
        secret = _secret(chance)
        try:
            data = _write(chance, secret)
        except EntryError as error:
            refused += 1
            if len(secret) > 4 and secret in str(error):
                leaked.append(f"{number}: a message repeats its value")
            continue
        readable = _OWN.sub("", data.decode())
        if secret.lower() in readable.lower():
            leaked.append(f"{number}: {readable}")
    return refused, leaked


def test_nothing_of_a_pupil_gets_into_an_entry() -> None:
    """A seeded slice: 3,000 careless entries; nearly all are refused, and none holds its secret."""
    refused, leaked = _campaign(1, 3_000)
    assert leaked == []
    assert refused > 2_900


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10, 20))
def test_nothing_of_a_pupil_gets_into_a_hundred_thousand_entries(seed: int) -> None:
    """The whole campaign: ten times ten thousand careless entries."""
    assert _campaign(seed, 10_000)[1] == []


@pytest.mark.parametrize("event", [Event.BUDGET_SPENT, Event.BUDGET_RESERVED, Event.BUDGET_REFUSED])
def test_a_number_can_be_logged_with_a_budget_event_only(event: Event) -> None:
    """There it is an amount of rho, which no pupil influences; it is the one whole number an entry can carry."""
    account = Object("account:statutory-counts/2026-2027")
    assert Entry(event=event, actor=Actor(Role.GATEWAY, OPERATOR), object=account, amount=4).amount == 4
    for other in set(Event) - {Event.BUDGET_SPENT, Event.BUDGET_RESERVED, Event.BUDGET_REFUSED}:
        with pytest.raises(EntryError):
            Entry(event=other, actor=Actor(Role.GATEWAY, OPERATOR), object=account, amount=4)
