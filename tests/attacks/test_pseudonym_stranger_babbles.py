"""Anybody who can reach the pseudonym service, sending it anything: it refuses, tells nothing, and goes on."""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest

from pseudonymisation.text64 import to_text
from tests.pseudonymisation.world import PERIOD, SITE, World, token_of

CANARY = "111222333"
SLICE, CAMPAIGN = 1_500, 100_000
STRANGE = (
    None, True, 0, -1, 1.5, 1e400, 10**400, "", CANARY, "\ud800", [], {}, [[]], {"a": CANARY}, "A" * 43, "\0", "é" * 43,
)  # fmt: skip
MEDIA = (
    "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/plain", "", "application/json\t;x",
    "a" * 999,
)  # fmt: skip
LANGUAGES = ("nl", "en", "", "*", ",,,;;;", "en;q=zzz", "\xff" * 40, "x" * 5000)
METHODS = ("POST", "POST", "POST", "GET", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE", "BREW")
PATHS = (
    "/v1/evaluations", "/v1/evaluations", "/v1/evaluations", "/v1/keys", "/", "/v1/evaluations/", "/../kek.json",
    f"/v1/{CANARY}", "/%00", "//", "/v1/openapi.json",
)  # fmt: skip
TOKENS = (
    f"Bearer {token_of(SITE)}", "", "Bearer", f"Bearer {CANARY * 3}", "Basic eA==", "Bearer \xe9" + "x" * 30,
)  # fmt: skip

Body = Callable[[random.Random, dict[str, object]], bytes]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """The service, its database and its log."""
    with World(tmp_path) as made:
        yield made


def noise(draw: random.Random, _: dict[str, object]) -> bytes:
    """Bytes without any form."""
    return draw.randbytes(draw.choice((0, 1, 10, 1000)))


def mutated(draw: random.Random, good: dict[str, object]) -> bytes:
    """A good request with some bytes changed, cut or doubled."""
    data = bytearray(json.dumps(good).encode())
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(data))
        match draw.randrange(3):
            case 0:
                data[at] = draw.randrange(256)
            case 1:
                del data[at : at + draw.randint(1, 20)]
            case _:
                data[at:at] = data[: draw.randint(1, 20)]
    return bytes(data)


def confused(draw: random.Random, good: dict[str, object]) -> bytes:
    """A good request with fields of another type, missing, or too many."""
    body = dict(good)
    for _ in range(draw.randint(1, 3)):
        name = draw.choice(("key_id", "period", "blinded", "site", CANARY))
        match draw.randrange(3):
            case 0:
                body.pop(name, None)
            case 1:
                body[name] = draw.choice(STRANGE)
            case _:
                body[name] = [draw.choice(STRANGE) for _ in range(draw.randint(0, 5))]
    return json.dumps(body).encode()


def no_elements(draw: random.Random, good: dict[str, object]) -> bytes:
    """The right form, but bytes that are no group elements."""
    elements = [to_text(draw.choice((bytes(32), b"\xff" * 32, draw.randbytes(32)))) for _ in range(draw.randint(1, 9))]
    return json.dumps(good | {"blinded": elements}).encode()


def nested(draw: random.Random, _: dict[str, object]) -> bytes:
    """Brackets without end."""
    return draw.choice((b"[", b'{"a":')) * draw.choice((10, 1000, 100_000))


def large(draw: random.Random, good: dict[str, object]) -> bytes:
    """Too many elements, or too many bytes."""
    return json.dumps(good | {"blinded": ["A" * 43] * draw.choice((5001, 6500, 7000))}).encode()


BODIES: tuple[Body, ...] = (noise, mutated, mutated, confused, confused, no_elements, nested, large)
WEIGHTS = (2, 6, 6, 6, 6, 4, 1, 1)


def babble(world: World, count: int, seed: int) -> Counter[int]:
    """Send so many malformed requests, hold every answer against the same few rules, and count the statuses."""
    statuses: Counter[int] = Counter()
    draw = random.Random(seed)  # noqa: S311  a campaign that can be repeated
    http, good = world.http(None), world.request(3)
    for _ in range(count):
        (body,) = draw.choices(BODIES, WEIGHTS)
        headers = {
            "Content-Type": draw.choices(MEDIA, (20, *[1] * (len(MEDIA) - 1)))[0],
            "Accept-Language": draw.choice(LANGUAGES),
            "Authorization": draw.choices(TOKENS, (20, *[1] * (len(TOKENS) - 1)))[0],
        }
        content = body(draw, good)
        raw = {name: text.encode("latin-1") for name, text in headers.items()}
        answer = http.request(draw.choice(METHODS), draw.choice(PATHS), content=content, headers=raw)
        allowed_good = json_of(content).keys() == {"key_id", "period", "blinded"} and answer.status_code in {200, 429}
        hold(answer, good=allowed_good or answer.request.url.path in {"/v1/keys", "/v1/openapi.json"})
        statuses[answer.status_code] += 1
    return statuses


def json_of(content: bytes) -> dict[str, object]:
    """The request as the service may have read it, if it is an object at all."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def hold(answer: httpx.Response, *, good: bool) -> None:
    """No failure of the service, the one form of refusal, and nothing of what was sent."""
    assert answer.status_code < 500
    assert CANARY not in answer.text
    assert "Traceback" not in answer.text
    if answer.status_code == 200:
        assert good
    elif answer.request.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_slice_of_the_campaign(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """1,500 malformed requests: none is answered 500, none echoes, none panics; then a good one is served."""
    assert babble(world, SLICE, seed=1).keys() >= {400, 401, 404, 405, 413, 415}
    assert "panicked" not in capfd.readouterr().err
    answer = world.http().post("/v1/evaluations", json=world.request(3))
    assert answer.status_code == 200
    assert CANARY not in json.dumps(world.entries())


@pytest.mark.soak
def test_the_whole_campaign(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    """100,000 malformed requests, as the slice."""
    babble(world, CAMPAIGN, seed=2)
    assert "panicked" not in capfd.readouterr().err
    assert world.http().post("/v1/evaluations", json=world.request(3)).status_code == 200
    assert CANARY not in json.dumps(world.entries())


def test_a_period_of_the_right_form_only(world: World) -> None:
    """The canary of this campaign would be seen: a good request is not refused by its rules."""
    answer = world.http().post("/v1/evaluations", json=world.request(3) | {"period": PERIOD})
    hold(answer, good=True)


def test_who_hangs_up_half_way_is_no_fault_of_the_service(world: World) -> None:
    """A connection that ends before its body does raises nothing, is not told of an inner error, and costs nothing."""
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {token_of(SITE)}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/v1/evaluations", "query_string": b"", "headers": headers}
    parts = iter([{"type": "http.request", "body": b'{"key_id', "more_body": True}, {"type": "http.disconnect"}])
    sent: list[Mapping[str, object]] = []

    async def receive() -> Mapping[str, object]:
        return next(parts)

    async def send(message: Mapping[str, object]) -> None:
        sent.append(message)

    asyncio.run(world.app(scope, receive, send))
    assert sent[0]["status"] == 400
    assert world.entries() == []
