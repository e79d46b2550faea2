"""Somebody who puts characters where nobody expects them: addresses, filters, bodies and forms, on both databases."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from .house import Door, House, knock

ODD = ("\0", "\x7f", "\u202e", "\uffff", "\U0010ffff", "𝟘", "9" * 5_000)
LONE_SURROGATE = "\ud800"  # only an escape in JSON can hold one


def odd_doors(house: House, door: Door, odd: str) -> Iterator[Door]:
    """A door with an odd character in each place that holds text: the address, each parameter, each string in JSON."""
    for known in (house.ids[name] for name in ("submission", "release", "consent", "entry")):
        if known in door.path and odd != LONE_SURROGATE:
            shown = odd if odd.isprintable() else "".join(f"%{byte:02x}" for byte in odd.encode())
            yield replace(door, path=door.path.replace(known, known[:3] + shown))
    for name, value in door.params.items():
        if odd != LONE_SURROGATE:
            yield replace(door, params={**door.params, name: value + odd})
    if door.body and door.body.startswith(b"{"):
        for value in changed(json.loads(door.body), odd):
            yield replace(door, body=json.dumps(value).encode())


def changed(value: Any, odd: str) -> Iterator[Any]:  # noqa: ANN401  JSON
    """A JSON value with an odd text in one place, once for each place."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from ({**value, name: other} for other in changed(inner, odd))
        yield {**value, odd: 1}
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from ([*value[:index], other, *value[index + 1 :]] for other in changed(inner, odd))
    else:
        yield f"{value}{odd}"


@pytest.mark.parametrize("odd", [*ODD, LONE_SURROGATE], ids=ascii)
def test_no_character_breaks_a_door(house: House, odd: str) -> None:
    """Each operation, with the odd character in each place in turn, is answered with a problem and never with 500."""
    broken = []
    for name, door in house.doors.items():
        caller = min(door.through, default="school")
        for tried in odd_doors(house, door, odd):
            answer = knock(house, tried, caller)
            if answer.status_code >= 500 and answer.status_code != 503:
                broken.append(f"{name} {tried.path} {tried.params} {tried.body!r}"[:300])
    assert not broken


@pytest.mark.parametrize("origin", ["http://[", "null", "http://[::1", "//", "https://evil.example"])
def test_an_odd_origin_is_another_origin(house: House, origin: str) -> None:
    """A form whose browser names an origin that is no address is refused as any other origin is."""
    answer = httpx.post(f"{house.site.url}/login/x", headers={"Origin": origin})
    assert answer.status_code == 403


def test_a_form_with_nul_is_malformed(house: House) -> None:
    """A field, or its name, with the character that no text in PostgreSQL holds: 400."""
    for field in ({"x": "\0"}, {"\0": "x"}):
        assert httpx.post(f"{house.site.url}/login/x", data=field).status_code == 400


@pytest.mark.parametrize("host", ["[", "a b", "evil.example/x?y=", "localhost:99999", "evil.example\\@x"])
def test_a_host_header_changes_no_answer(house: House, host: str) -> None:
    """Links in an answer are paths of this site, whatever the request calls its host."""
    answer = house.callers["school"].get("/v1/submissions", params={"pageSize": "1"}, headers={"Host": host})
    assert answer.status_code == 200
    assert "evil" not in str(answer.headers) + answer.text
    assert "</v1/submissions?" in answer.headers["Link"]
