"""A school as adversary: it wants the pseudonyms of pupils it does not have, more of them than its quota."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from pseudonymisation.errors import PseudonymisationError
from pseudonymisation.service import grant_quota
from pseudonymisation.service.quota import GrantReason
from tests.pseudonymisation.world import OTHER, SITE, YEAR, World, append, token_of

QUOTA = 145


@pytest.fixture
def world(database: str, tmp_path: Path) -> Iterator[World]:
    """Sites of 100 pupils, on SQLite and on PostgreSQL."""
    with World(tmp_path, url=database, pool=lambda: ThreadPoolExecutor(2)) as made:
        yield made


def given_elements(world: World, site: str = SITE) -> int:
    """How many elements a site was given, counted from the stored answers."""
    with world.engine.connect() as connection:
        query = text("SELECT coalesce(sum(elements), 0) FROM service_batch WHERE site = :site")
        return int(connection.execute(query, {"site": site}).scalar_one())


def used(world: World, site: str = SITE) -> int:
    """What the quota says was used."""
    with world.engine.connect() as connection:
        query = text("SELECT coalesce(sum(used), 0) FROM service_quota WHERE site = :site")
        return int(connection.execute(query, {"site": site}).scalar_one())


def ask(world: World, body: object, site: str = SITE) -> int:
    """The status of one request."""
    return world.http(site).post("/v1/evaluations", json=body).status_code


@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(st.lists(st.integers(1, 80), min_size=1, max_size=8))
def test_no_series_of_batches_gets_past_the_quota(world: World, sizes: list[int]) -> None:
    """Whatever the sizes, in sum no more than the quota is given, and the count agrees with what was given."""
    for size in sizes:
        ask(world, world.request(size))
    assert given_elements(world) == used(world) <= QUOTA


def test_racing_requests_do_not_get_past_the_quota(world: World) -> None:
    """Twelve requests of 50 at once: two are given."""
    bodies = [world.request(50) for _ in range(12)]
    pairs = [(world.http(), body) for body in bodies]
    with ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda pair: pair[0].post("/v1/evaluations", json=pair[1]), pairs))
    assert sorted(answer.status_code for answer in answers) == [200] * 2 + [429] * 10
    assert given_elements(world) == used(world) == 100


def test_two_schools_racing_have_a_quota_each(world: World) -> None:
    """Two schools that ask at the same time neither share nor shorten each other's quota."""
    pairs = [(world.http(site), world.request(50)) for site in (SITE, OTHER) for _ in range(4)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda pair: pair[0].post("/v1/evaluations", json=pair[1]), pairs))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [429] * 4
    assert [given_elements(world, site) for site in (SITE, OTHER)] == [100, 100]


def test_racing_repeats_of_one_batch_cost_it_once(world: World) -> None:
    """The same batch eight times at once: the same answer eight times, charged once."""
    body = world.request(50)
    clients = [world.http() for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda http: http.post("/v1/evaluations", json=body), clients))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["proof"] for answer in answers}) == 1
    assert used(world) == 50
    assert world.events().count("evaluation-answered") == 1
    assert world.events().count("evaluation-repeated") == 7


def test_a_batch_with_one_new_element_is_new(world: World) -> None:
    """Hiding new elements in a batch that was answered before is charged in full: no oracle by addition."""
    body = world.request(50)
    ask(world, body)
    more = world.request(1)["blinded"]
    assert isinstance(more, list)
    assert isinstance(body["blinded"], list)
    assert ask(world, body | {"blinded": [*body["blinded"], *more]}) == 200
    assert used(world) == 101


def test_the_order_of_a_batch_is_part_of_it(world: World) -> None:
    """A permuted batch is another batch."""
    body = world.request(5)
    ask(world, body)
    assert isinstance(body["blinded"], list)
    ask(world, body | {"blinded": body["blinded"][::-1]})
    assert used(world) == 10


def test_four_periods_share_the_quota_of_the_year(world: World) -> None:
    """A new period gives no new guesses: the quota is of the school year."""
    statuses = [ask(world, world.request(50, period=f"{YEAR}-{number}")) for number in (1, 2, 3, 4)]
    assert statuses == [200, 200, 429, 429]


def test_a_restart_forgets_nothing(world: World) -> None:
    """What was used is in the database: a service that starts anew knows it."""
    ask(world, world.request(QUOTA))
    with World(world.folder, url=world.url) as again:
        assert ask(again, again.request(1)) == 429


@pytest.mark.parametrize("jump", [timedelta(days=-30), timedelta(days=30), timedelta(days=200), timedelta(seconds=-1)])
def test_a_clock_that_jumps_gives_no_guesses(world: World, jump: timedelta) -> None:
    """The quota counts elements, not days: forward or back, nothing comes free."""
    ask(world, world.request(QUOTA))
    world.now += jump
    assert ask(world, world.request(1)) == 429
    world.now -= jump
    assert ask(world, world.request(1)) == 429


@pytest.mark.parametrize(
    ("now", "status"),
    [
        (datetime(2026, 7, 31, 21, 59, tzinfo=UTC), 409),
        (datetime(2026, 7, 31, 22, 0, tzinfo=UTC), 200),
        (datetime(2027, 7, 31, 21, 59, tzinfo=UTC), 200),
        (datetime(2027, 7, 31, 22, 0, tzinfo=UTC), 401),
    ],
)
def test_keys_and_credentials_end_at_midnight_in_the_netherlands(world: World, now: datetime, status: int) -> None:
    """The key is valid from 1 August and the credential until 1 August, both at midnight in Amsterdam."""
    body = world.request()
    world.now = now
    assert ask(world, body) == status


def test_an_expired_key_answers_no_one_and_costs_nothing(world: World) -> None:
    """After its last day a key is refused; a clock set back finds everything as it was."""
    body, before = world.request(), world.now
    world.export(serial=2, credentials=())
    world.now = datetime(2027, 9, 2, tzinfo=UTC)
    with World(world.folder, url=world.url, now=world.now, identify=lambda _: SITE) as late:
        response = late.http().post("/v1/evaluations", json=body)
        assert (response.status_code, response.json()["type"]) == (409, "/problems/key-expired")
    world.now = before
    assert used(world) == 0


def test_a_retired_key_stays_retired_whatever_the_clock_says(world: World) -> None:
    """Setting the clock back does not bring back a key that was taken out of use."""
    body = world.request()
    world.keyring.retire(world.key.key_id)
    world.now -= timedelta(days=20)
    assert ask(world, body) == 404


def test_an_old_register_with_a_larger_quota_is_refused(world: World) -> None:
    """A register that was replaced cannot be put back to get its numbers or its credentials."""
    world.export(serial=5)
    assert ask(world, world.request(QUOTA)) == 200
    world.export(serial=4, pupils=90_000)
    response = world.http().post("/v1/evaluations", json=world.request(1))
    assert (response.status_code, response.json()["type"]) == (503, "/problems/register-outdated")
    with World(world.folder, url=world.url) as restarted:
        assert ask(restarted, restarted.request(1)) == 503
    world.export(serial=6)
    assert ask(world, world.request(1)) == 429


def test_a_register_that_is_no_longer_kept_up_is_refused(world: World) -> None:
    """After its last day nobody is known: a revoked site might still stand in it."""
    body = world.request()
    world.now = datetime(2027, 10, 1, tzinfo=UTC)
    assert ask(world, body) == 503


def test_the_name_in_the_body_is_nobody(world: World) -> None:
    """Identity is the credential's: naming another site in the body or a header is refused or ignored."""
    assert ask(world, world.request() | {"site": OTHER}) == 400
    assert world.http().post("/v1/evaluations", json=world.request(5), headers={"X-Site": OTHER}).status_code == 200
    assert (used(world), used(world, OTHER)) == (5, 0)


@pytest.mark.parametrize("elements", [0, -5, 10_001])
def test_one_grant_is_bounded(world: World, elements: int) -> None:
    """A slip of the finger does not open the whole number space, nor take quota away."""
    with pytest.raises(PseudonymisationError):
        grant_quota(
            world.engine,
            append,
            site=SITE,
            school_year=YEAR,
            elements=elements,
            reason=GrantReason.CACHE_LOST,
            now=world.now,
        )


@pytest.mark.parametrize("elements", [1, 10_000])
def test_the_bounds_of_a_grant_are_allowed(world: World, elements: int) -> None:
    """One element and ten thousand are grants."""
    reason = GrantReason.PUPILS_ARRIVED
    made = grant_quota(
        world.engine, append, site=SITE, school_year=YEAR, elements=elements, reason=reason, now=world.now
    )
    assert made.granted == elements


def test_a_token_of_another_site_pays_from_that_site(world: World) -> None:
    """Whoever uses a stolen token uses up the quota of its owner, no more."""
    headers = {"Authorization": f"Bearer {token_of(OTHER)}"}
    response = world.http().post("/v1/evaluations", json=world.request(5), headers=headers)
    assert response.status_code == 200
    assert (used(world), used(world, OTHER)) == (0, 5)
