"""The pseudonym service over HTTP: who gets what, what it costs, and what the log says."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from datetime import date
from itertools import count
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, text

from pseudonymisation.domain import number_input, service_info
from pseudonymisation.key_document import read_key_document
from pseudonymisation.keyring import KeyState
from pseudonymisation.oprf import blind, finalise, known_output
from pseudonymisation.service import (
    GrantReason,
    app,
    close_year,
    create_service,
    evaluation,
    grant_quota,
    open_year,
    worker_pool,
)
from pseudonymisation.text64 import from_text, to_text
from tests.pseudonymisation.world import OTHER, SITE, YEAR, InProcess, World, append, token_of


@pytest.fixture
def anywhere(database: str, tmp_path: Path) -> Iterator[World]:
    """The world on SQLite and on PostgreSQL."""
    with World(tmp_path, url=database) as made:
        yield made


def ask(world: World, body: object, site: str | None = SITE, **headers: str) -> httpx.Response:
    """One request for evaluations."""
    return world.http(site).post("/v1/evaluations", json=body, headers=headers)


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal, which is always a problem document in Dutch or English."""
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["api-version"] == "1.0.0"
    body = response.json()
    assert body["status"] == response.status_code
    return response.status_code, body["type"].removeprefix("/problems/")


def test_blinded_elements_come_back_with_a_proof(anywhere: World) -> None:
    """The answer finalises, under the published key, to what the service's seed gives for the number itself."""
    inputs = [number_input("111222333"), number_input("101222331")]
    blinding = blind(inputs)
    answer = ask(anywhere, anywhere.request() | {"blinded": [to_text(one) for one in blinding.elements]}).json()
    raw = from_text(answer["proof"], 64) + b"".join(from_text(one, 32) for one in answer["evaluated"])
    seed = anywhere.keyring.secret(anywhere.key.key_id)
    expected = [known_output(seed, service_info(YEAR), one) for one in inputs]
    assert finalise(blinding, raw, anywhere.key.public_key) == expected


def test_an_answer_costs_its_elements_and_is_logged_with_it(anywhere: World) -> None:
    """Quota and log entry change together: who, which key, how many, a digest; nothing else."""
    answer = ask(anywhere, anywhere.request(5)).json()
    assert answer["remaining"] == 145 - 5
    event, fields = anywhere.entries()[-1]
    assert event == "evaluation-answered"
    assert fields | {"batch": ""} == {
        "site": SITE, "school_year": YEAR, "key_id": anywhere.key.key_id, "elements": 5, "batch": "",
    }  # fmt: skip


def test_the_same_batch_again_is_free(anywhere: World) -> None:
    """A repeat gives the stored answer, byte for byte, costs nothing and is logged as a repeat."""
    body = anywhere.request(5)
    first, second = ask(anywhere, body), ask(anywhere, body)
    assert first.content == second.content
    assert anywhere.events()[-2:] == ["evaluation-answered", "evaluation-repeated"]


def test_the_same_elements_of_another_site_are_that_sites_own(anywhere: World) -> None:
    """A batch copied from one site is an ordinary new batch for another: paid by that one."""
    body = anywhere.request(5)
    ask(anywhere, body)
    assert ask(anywhere, body, OTHER).json()["remaining"] == 140


def test_beyond_the_quota_nothing_is_given(anywhere: World) -> None:
    """145 elements are given, the next is refused with what is left, and the refusal is logged."""
    assert ask(anywhere, anywhere.request(140)).json()["remaining"] == 5
    refused = ask(anywhere, anywhere.request(6))
    assert problem(refused) == (429, "quota-exhausted")
    assert (refused.json()["remaining"], refused.json()["asked"]) == (5, 6)
    assert anywhere.entries()[-1] == ("evaluation-refused", {"site": SITE, "reason": "quota-exhausted"})
    assert ask(anywhere, anywhere.request(5)).json()["remaining"] == 0


def test_a_grant_makes_room_and_is_logged(anywhere: World) -> None:
    """After a grant with a reason, so many more are given."""
    ask(anywhere, anywhere.request(145))
    granted = grant_quota(
        anywhere.engine,
        append,
        site=SITE,
        school_year=YEAR,
        elements=10,
        reason=GrantReason.CACHE_LOST,
        now=anywhere.now,
    )
    assert (granted.used, granted.granted) == (145, 10)
    fields = {"site": SITE, "school_year": YEAR, "elements": 10, "reason": "cache-lost"}
    assert anywhere.entries()[-1] == ("quota-granted", fields)
    with anywhere.engine.connect() as connection:
        kept = (
            connection.execute(text("SELECT site, school_year, elements, reason FROM service_grant")).mappings().all()
        )
    assert kept == [fields]
    assert ask(anywhere, anywhere.request(10)).json()["remaining"] == 0


def test_act_and_entry_are_one(anywhere: World) -> None:
    """If the log refuses the entry, nothing is given and nothing is charged."""

    def refusing(connection: Connection, event: str, fields: Mapping[str, Any]) -> None:
        if event == "evaluation-answered":
            raise RuntimeError("the log is full")
        append(connection, event, fields)

    good = anywhere.request(5)
    app = create_service(
        engine=anywhere.engine, keyring=anywhere.keyring, registers=anywhere.registers, append=refusing,
        clock=lambda: anywhere.now, operator="ORG-DIENST", pool=anywhere.pool,
    )  # fmt: skip
    headers = {"Authorization": f"Bearer {token_of(SITE)}"}
    with httpx.Client(transport=InProcess(app, anywhere.portal), base_url="http://service", headers=headers) as http:
        assert problem(http.post("/v1/evaluations", json=good)) == (500, "internal")
    assert ask(anywhere, good).json()["remaining"] == 140
    assert anywhere.events().count("evaluation-answered") == 1


@pytest.mark.parametrize(
    ("site", "header"), [(None, {}), (None, {"Authorization": "Bearer " + "x" * 40}), ("02EF02", {})]
)
def test_strangers_are_refused(world: World, site: str | None, header: dict[str, str]) -> None:
    """Without a credential of the register there is no answer."""
    response = ask(world, world.request(), site, **header)
    assert problem(response) == (401, "not-authenticated")
    assert response.headers["www-authenticate"] == "Bearer"


def test_another_way_of_identification_may_be_handed_in(tmp_path: Path) -> None:
    """A proxy that checks client certificates takes the place of tokens; unknown sites stay strangers."""
    with World(tmp_path, identify=lambda scope: dict(scope["headers"]).get(b"x-client", b"").decode()) as made:
        body = made.request()
        assert made.http(None).post("/v1/evaluations", json=body, headers={"X-Client": SITE}).status_code == 200
        assert made.http(None).post("/v1/evaluations", json=body, headers={"X-Client": "99ZZ99"}).status_code == 401
        assert made.http(SITE).post("/v1/evaluations", json=body).status_code == 401


@pytest.mark.parametrize(
    ("change", "faults"),
    [
        ({"blinded": []}, [(0, "blinded", "TOO-FEW")]),
        ({"blinded": ["A" * 43] * 5001}, [(0, "blinded", "TOO-MANY")]),
        ({"blinded": ["A" * 42]}, [(1, "blinded", "FORM")]),
        ({"blinded": ["A" * 43]}, [(1, "blinded", "ELEMENT")]),
        ({"blinded": ["_" * 42 + "8"]}, [(1, "blinded", "ELEMENT")]),
        ({"blinded": "A" * 43}, [(0, "blinded", "FORM")]),
        ({"key_id": 7}, [(0, "key_id", "FORM")]),
        ({"key_id": "X"}, [(0, "key_id", "FORM")]),
        ({"period": "2026"}, [(0, "period", "FORM")]),
        ({"site": OTHER}, [(0, "", "FIELD-UNKNOWN")]),
        ({"111222333": 1, "period": 1}, [(0, "period", "FORM"), (0, "", "FIELD-UNKNOWN")]),
    ],
)
def test_malformed_requests_name_place_and_rule(
    world: World, change: dict[str, object], faults: list[tuple[int, str, str]]
) -> None:
    """Every fault at once, by place and rule, without what was sent; nothing is charged."""
    response = ask(world, world.request() | change)
    assert problem(response) == (400, "malformed")
    assert [(one["row"], one["column"], one["rule"]) for one in response.json()["errors"]] == faults
    assert "111222333" not in response.text
    assert ask(world, world.request(145)).json()["remaining"] == 0


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/evaluations"), ("GET", "/v1/keys")])
def test_no_address_takes_a_parameter(world: World, method: str, path: str) -> None:
    """What stands after a `?` is refused and not repeated, as an unknown field is; nothing is charged."""
    response = world.http().request(method, path, params={"111222333": "x"}, json=world.request(5))
    assert problem(response) == (400, "malformed")
    assert [(one["row"], one["column"], one["rule"]) for one in response.json()["errors"]] == [
        (0, "query", "FIELD-UNKNOWN")
    ]
    assert "111222333" not in response.text
    assert ask(world, world.request(145)).json()["remaining"] == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"key_id":' * 1000])
def test_what_is_no_json_object_is_malformed(world: World, body: bytes) -> None:
    """Broken JSON is a refusal like any other."""
    headers = {"Content-Type": "application/json"}
    assert problem(world.http().post("/v1/evaluations", content=body, headers=headers)) == (400, "malformed")


def test_too_much_is_refused_while_reading(world: World) -> None:
    """A body beyond 300 kB is not read to its end."""
    headers = {"Content-Type": "application/json"}
    response = world.http().post("/v1/evaluations", content=b" " * 300_001, headers=headers)
    assert problem(response) == (413, "too-large")


def test_a_body_that_does_not_come_to_its_end_is_not_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that stops half-way is told so and let go."""
    monkeypatch.setattr(app, "BODY_SECONDS", 0.05)

    async def halves() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    async def send() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(world.app), base_url="http://x") as http:
            headers = {"Content-Type": "application/json"}
            return await http.post("/v1/evaluations", content=halves(), headers=headers)

    response = asyncio.run(send())
    assert problem(response) == (408, "body-incomplete")
    assert response.headers["connection"] == "close"


def test_only_json_is_read(world: World) -> None:
    """A form or plain text is refused by its type."""
    response = world.http().post("/v1/evaluations", content=json.dumps(world.request()))
    assert problem(response) == (415, "not-json")


@pytest.mark.parametrize(
    ("method", "path", "expected"), [("GET", "/v1/evaluations", 405), ("GET", "/v2", 404), ("DELETE", "/v1/keys", 405)]
)
def test_other_addresses_are_problems_too(world: World, method: str, path: str, expected: int) -> None:
    """Even what does not exist answers in the one form."""
    assert problem(world.http().request(method, path))[0] == expected


def test_english_on_request(world: World) -> None:
    """Texts are Dutch, or English for who prefers that."""
    wanted = {"de, en;q=0.8, nl;q=0.7": "Who are you?", "nl": "Wie bent u?", "fr": "Wie bent u?"}
    for language, title in wanted.items():
        assert ask(world, world.request(), None, **{"Accept-Language": language}).json()["title"] == title


def test_the_largest_batch_is_answered(tmp_path: Path) -> None:
    """5,000 elements fit in one request."""
    with World(tmp_path, pupils=5_000) as made:
        assert len(ask(made, made.request(5_000)).json()["evaluated"]) == 5_000


def test_key_document_is_signed_and_holds_active_keys(world: World) -> None:
    """`GET /v1/keys` gives the document that schools pin; a pre-active key is not in it."""
    world.keyring.create("pseudonym-service", "2027-2028", not_before=date(2027, 8, 1), not_after=date(2028, 9, 1))
    document = read_key_document(world.http(None).get("/v1/keys").content)
    assert document.operator == "ORG-DIENST"
    assert [key.school_year for key in document.keys] == [YEAR]
    assert read_key_document(world.http(None).get("/v1/keys").content, document.signer).keys == document.keys


def test_each_year_has_a_key_of_its_own(world: World) -> None:
    """The next year's key is another one, and each serves its own periods only."""
    following = open_year(world.keyring, "2027-2028", not_before=date(2026, 8, 1), not_after=date(2028, 9, 1))
    response = ask(world, world.request(key_id=following.key_id))
    assert problem(response) == (409, "period-outside-key")
    assert ask(world, world.request(key_id=following.key_id, period="2027-2028-1")).status_code == 200


@pytest.mark.parametrize("state", [KeyState.PRE_ACTIVE, KeyState.DECRYPT_ONLY, KeyState.DESTROYED])
def test_only_an_active_key_evaluates(world: World, state: KeyState) -> None:
    """A key that is not yet, no longer or never again in use is unknown to a caller."""
    body = world.request()
    made = world.keyring.create("pseudonym-service", YEAR, not_before=date(2026, 8, 1), not_after=date(2027, 9, 1))
    if state is KeyState.DECRYPT_ONLY:
        world.keyring.activate(made.key_id)
        world.keyring.retire(made.key_id)
    elif state is KeyState.DESTROYED:
        world.keyring.destroy(made.key_id)
    assert problem(ask(world, body | {"key_id": made.key_id})) == (404, "key-unknown")


def test_a_key_for_another_purpose_is_no_evaluation_key(world: World) -> None:
    """The key that signs the key document, or any other, never evaluates."""
    world.http().get("/v1/keys")
    signing = world.keyring.active("pseudonym-service-signing", None)
    assert signing is not None
    assert problem(ask(world, world.request() | {"key_id": signing.key_id})) == (404, "key-unknown")


def test_a_newer_register_takes_effect_and_is_logged(world: World) -> None:
    """A site that left the register is refused from the next request on."""
    assert ask(world, world.request()).status_code == 200
    world.export(serial=2, valid_to=date(2026, 9, 1))
    assert ask(world, world.request()).status_code == 401
    assert ("register-loaded", {"serial": 2, "operator": "ORG-LOKET"}) in world.entries()


def test_an_ended_year_is_erased_and_its_key_destroyed(anywhere: World) -> None:
    """Closing a year removes its answers and its keys; the count of what was used stays."""
    key_id = anywhere.key.key_id
    body = anywhere.request(5)
    ask(anywhere, body)
    close_year(anywhere.engine, append, anywhere.keyring, YEAR)
    close_year(anywhere.engine, append, anywhere.keyring, YEAR)
    assert problem(ask(anywhere, body)) == (404, "key-unknown")
    record = anywhere.keyring.record(key_id)
    assert record is not None
    assert record.state is KeyState.DESTROYED
    with anywhere.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM service_batch")).scalar() == 0
        assert connection.execute(text("SELECT used FROM service_quota")).scalar() == 5


def test_a_batch_under_way_when_its_year_ends_is_not_answered(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evaluated before the year was closed and ready after it: no answer, nothing kept, nothing of the quota used."""
    conclude = evaluation.Desk.conclude

    def too_late(desk: evaluation.Desk, batch: evaluation.Batch, answer: bytes) -> object:
        close_year(anywhere.engine, append, anywhere.keyring, YEAR)
        return conclude(desk, batch, answer)

    body = anywhere.request(5)
    monkeypatch.setattr(evaluation.Desk, "conclude", too_late)
    assert problem(ask(anywhere, body)) == (404, "key-unknown")
    assert anywhere.events()[-2:] == ["school-year-closed", "evaluation-refused"]
    with anywhere.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM service_batch")).scalar() == 0
        assert connection.execute(text("SELECT coalesce(sum(used), 0) FROM service_quota")).scalar() == 0


def test_a_year_ends_after_the_answers_that_are_being_kept(anywhere: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that looked at its key in time is answered and logged before the end, and its answer erased with it."""
    closed, looks = Event(), count()
    in_use = evaluation.Desk._key_in_use
    closing = Thread(target=lambda: (close_year(anywhere.engine, append, anywhere.keyring, YEAR), closed.set()))

    def slowly(desk: evaluation.Desk, key_id: str) -> object:
        found = in_use(desk, key_id)
        if next(looks):  # the second, when the answer is kept
            closing.start()
            assert not closed.wait(0.5)
        return found

    body = anywhere.request(5)
    monkeypatch.setattr(evaluation.Desk, "_key_in_use", slowly)
    assert ask(anywhere, body).status_code == 200
    closing.join()
    assert anywhere.events()[-2:] == ["evaluation-answered", "school-year-closed"]
    with anywhere.engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM service_batch")).scalar() == 0


class DeadPool(ThreadPoolExecutor):
    """A pool whose workers were killed."""

    def submit(self, *_: object, **__: object) -> Any:  # noqa: ANN401  the type of the real one
        """Fails as a pool with killed workers does."""
        raise BrokenProcessPool("killed")


def test_dead_workers_are_replaced(tmp_path: Path) -> None:
    """If the worker processes were killed the caller is asked to come back, and finds new ones."""
    pools: Iterator[Executor] = iter([DeadPool(), ThreadPoolExecutor(1)])
    with World(tmp_path, pool=lambda: next(pools)) as made:
        body = made.request(5)
        first = ask(made, body)
        assert problem(first) == (503, "busy")
        assert first.headers["retry-after"] == "1"
        assert ask(made, body).json()["remaining"] == 140


def test_health(world: World) -> None:
    """Alive, and ready with its database."""
    http = world.http(None)
    assert [http.get(path).status_code for path in ("/health/live", "/health/ready")] == [200, 200]


def test_security_headers_are_on_every_answer(world: World) -> None:
    """Good or bad, an answer is not cached, sniffed or framed."""
    http = world.http()
    for response in (http.get("/v1/keys"), http.get("/nothing"), ask(world, world.request()), ask(world, {})):
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-content-type-options"] == "nosniff"


def test_openapi_describes_the_request(world: World) -> None:
    """The OpenAPI document states the body of a request and its limits."""
    document = world.http(None).get("/v1/openapi.json").json()
    body = document["paths"]["/v1/evaluations"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert body["properties"]["blinded"]["maxItems"] == 5_000


def test_worker_processes_evaluate(tmp_path: Path) -> None:
    """With real worker processes the answer is the same."""
    with World(tmp_path, pool=lambda: worker_pool(1)) as made:
        assert ask(made, made.request(20)).json()["remaining"] == 125


def test_a_register_that_is_gone_or_damaged_gives_no_access(world: World) -> None:
    """Half a register, or none, is answered with 503 until it is whole again."""
    body, path = world.request(), world.folder / "register.json"
    assert world.registers
    whole = path.read_bytes()
    for broken in (whole[:-20], b"", whole.replace(b"00AB00", b"00AB01")):
        path.write_bytes(broken)
        assert problem(ask(world, body)) == (503, "register-outdated")
    path.unlink()
    assert problem(ask(world, body)) == (503, "register-outdated")
    path.write_bytes(whole)
    assert ask(world, body).status_code == 200


def test_a_database_that_is_gone_for_a_moment_is_waited_for(anywhere: World) -> None:
    """While the database does not answer the service says 503; afterwards everything goes on."""
    body, http = anywhere.request(), anywhere.http()
    if anywhere.engine.dialect.name == "postgresql":
        with anywhere.engine.connect() as connection:
            connection.execute(
                text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()")
            )
    else:
        with anywhere.engine.begin() as connection:
            connection.execute(text("ALTER TABLE service_quota RENAME TO service_away"))
        assert problem(http.post("/v1/evaluations", json=body)) == (503, "busy")
        with anywhere.engine.begin() as connection:
            connection.execute(text("ALTER TABLE service_away RENAME TO service_quota"))
    answers = [http.post("/v1/evaluations", json=body).status_code for _ in range(2)]
    assert answers in ([503, 200], [200, 200])


def test_the_database_file_is_private(world: World) -> None:
    """On SQLite only the owner reads the database."""
    ask(world, world.request())
    modes = {path.name: path.stat().st_mode & 0o777 for path in world.folder.glob("service.sqlite*")}
    assert set(modes.values()) == {0o600}
