"""The client from export to document, against a real service."""

import json
import stat
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import httpx
import pytest

from pseudonymisation.client import (
    Delivery,
    OfflineSource,
    Refusal,
    ServiceSource,
    pinned_key,
    pseudonymise,
    unsafe_local_source,
)
from pseudonymisation.client.cache import Cache, open_cache
from pseudonymisation.client.lookup import Found, pseudonyms_of
from pseudonymisation.client.source import Source
from pseudonymisation.domain import number_input, service_info
from pseudonymisation.oprf import known_output
from pseudonymisation.pseudonym import UNSAFE_KEYED_LOCAL, read_pseudonym
from pseudonymisation.service.problems import Problem, response
from tests.pseudonymisation.world import BANDS, HEADER, PERIOD, SITE, YEAR, World, export_rows, numbers

DIGITS = numbers(120)


def run(
    world: World,
    cache: Cache,
    digits: Sequence[str] = DIGITS,
    source: Source | None = None,
    progress: Callable[[int, int], None] | None = None,
    **changes: str,
) -> Delivery | Refusal:
    """The client as a school runs it."""
    names = {"site": SITE, "period": PERIOD} | changes
    return pseudonymise(
        HEADER,
        export_rows(digits),
        source=source or ServiceSource(world.http(), world.key, PERIOD),
        cache=cache,
        bands=BANDS,
        output=world.folder / "submission.json",
        offered=["lower_years", "upper_years"],
        progress=progress,
        **names,
    )


def document(world: World) -> dict[str, object]:
    """What was written."""
    return json.loads((world.folder / "submission.json").read_text(), parse_float=Decimal)


def test_the_document_holds_every_pupil_under_the_right_pseudonym(world: World, cache: Cache) -> None:
    """Each pseudonym is what the service's key gives for the number, and carries that pupil's hours."""
    outcome = run(world, cache)
    assert isinstance(outcome, Delivery)
    assert (outcome.records, outcome.asked, outcome.kept, outcome.warnings) == (120, 120, 0, ())
    seed = world.keyring.secret(world.key.key_id)
    expected = {
        known_output(seed, service_info(YEAR), number_input(cells[0])): (cells[2], cells[3].replace(",", "."), cells[5])
        for _, cells in export_rows(DIGITS)
    }
    found = {
        read_pseudonym(record["pseudonym"]): (
            str(record["hours_scheduled"]), str(record["hours_authorised"]), str(record["hours_unauthorised"]),
        )
        for record in document(world)["records"]
    }  # fmt: skip
    assert found == expected


def test_the_document_has_the_form_of_the_collection(world: World, cache: Cache) -> None:
    """Its fields are those of `absence-records`, no more; no row has a health field."""
    run(world, cache)
    made = document(world)
    assert list(made) == ["collection", "site", "period", "key_id", "records", "illness_counts"]
    assert (made["collection"], made["site"], made["period"]) == ("absence-records", SITE, PERIOD)
    assert made["key_id"] == world.key.key_id
    fields = {"pseudonym", "subdivision", "hours_scheduled", "hours_authorised", "hours_unauthorised"}
    assert all(record.keys() == fields for record in made["records"])
    assert sum(count["pupils"] for count in made["illness_counts"]) == 120
    assert len(made["illness_counts"]) == 8


def test_the_order_of_the_export_is_gone(world: World, cache: Cache) -> None:
    """Records stand in the order of their pseudonyms: a list by name leaves no trace."""
    run(world, cache)
    made = [record["pseudonym"] for record in document(world)["records"]]
    assert made == sorted(made)


def test_the_file_is_private(world: World, cache: Cache) -> None:
    """Only its owner can read the document."""
    run(world, cache)
    assert stat.S_IMODE((world.folder / "submission.json").stat().st_mode) == 0o600


def test_a_rerun_costs_nothing_and_gives_the_same_bytes(world: World, cache: Cache) -> None:
    """The second run asks nothing, and its document is the same byte for byte."""
    run(world, cache)
    first = (world.folder / "submission.json").read_bytes()
    outcome = run(world, cache)
    assert isinstance(outcome, Delivery)
    assert (outcome.asked, outcome.kept) == (0, 120)
    assert (world.folder / "submission.json").read_bytes() == first
    assert world.events().count("evaluation-answered") == 3


def test_a_correction_costs_its_new_pupils_only(world: World, cache: Cache) -> None:
    """With two pupils more, two are asked."""
    run(world, cache)
    outcome = run(world, cache, numbers(122))
    assert isinstance(outcome, Delivery)
    assert (outcome.asked, outcome.kept) == (2, 120)


def test_works_offline_from_the_cache(world: World, cache: Cache) -> None:
    """Everything known: no connection needed. One unknown: refused, with how many are missing."""
    run(world, cache)
    assert isinstance(run(world, cache, source=OfflineSource(world.key)), Delivery)
    outcome = run(world, cache, numbers(123), source=OfflineSource(world.key))
    assert isinstance(outcome, Refusal)
    assert outcome.code == "offline-missing"
    assert "3" in outcome.nl


def test_progress_is_told_after_each_batch(world: World, cache: Cache) -> None:
    """Known and wanted, from the start to the end."""
    seen: list[tuple[int, int]] = []
    run(world, cache, progress=lambda known, wanted: seen.append((known, wanted)))
    assert seen == [(0, 120), (50, 120), (100, 120), (120, 120)]


def test_batches_before_a_refusal_are_kept(world: World, cache: Cache) -> None:
    """With a quota of 145 of 160 pupils 100 are kept; after a grant only the others are asked."""
    outcome = run(world, cache, numbers(160))
    assert isinstance(outcome, Refusal)
    assert outcome.code == "quota-exhausted"
    assert "45" in outcome.nl
    assert "60" in outcome.nl
    assert not (world.folder / "submission.json").exists()
    assert len(cache.get(world.key.key_id, numbers(160))) == 100


def test_a_file_with_faults_asks_nothing(world: World, cache: Cache) -> None:
    """With any fault no number is converted and no document is written."""
    outcome = run(world, cache, [*DIGITS, DIGITS[0]])
    assert isinstance(outcome, Refusal)
    assert outcome.code == "faults"
    assert [fault.rule for fault in outcome.faults] == ["NUMBER-TWICE"]
    assert "1" in outcome.nl
    assert world.events() == []


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"site": "AB00"}, "site"),
        ({"site": "00ab00"}, "site"),
        ({"period": "2026-2027"}, "period"),
        ({"period": "2026"}, "period"),
    ],
)
def test_a_wrong_site_or_period_is_refused_first(world: World, cache: Cache, change: dict[str, str], code: str) -> None:
    """A code that cannot be right stops before anything is read or asked."""
    outcome = run(world, cache, **change)
    assert isinstance(outcome, Refusal)
    assert outcome.code == code


def test_a_place_that_cannot_be_written_is_said(world: World, cache: Cache) -> None:
    """If the file cannot be written the school is told, and the converted numbers are kept."""
    (world.folder / "submission.json").mkdir()
    outcome = run(world, cache)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "output-unwritable"
    assert len(cache.get(world.key.key_id, DIGITS)) == 120


def test_two_runs_of_one_school_at_once_pay_for_each_number_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both looked before either asked; what the one had made the other finds, and both have every pseudonym."""
    looked, get = Barrier(2), Cache.get

    def together(cache: Cache, key_id: str, asked: Sequence[str]) -> dict[str, bytes]:
        found = get(cache, key_id, asked)
        if len(asked) == len(DIGITS):
            looked.wait(60)
        return found

    def alone(_: int) -> Found | Refusal:
        made = open_cache(world.folder / "together", YEAR)
        assert isinstance(made, Cache)
        with made:
            return pseudonyms_of(DIGITS, ServiceSource(world.http(), world.key, PERIOD), made, None)

    monkeypatch.setattr(Cache, "get", together)
    assert world.app is not None  # made once, before two ask for it
    with ThreadPoolExecutor(2) as runs:
        found = list(runs.map(alone, range(2)))
    assert [len(one.pseudonyms) for one in found if isinstance(one, Found)] == [len(DIGITS)] * 2
    assert sum(one.asked for one in found if isinstance(one, Found)) == len(DIGITS)


def test_a_cache_that_fails_half_way_is_said(world: World, cache: Cache) -> None:
    """A disk that fills up ends the run with a sentence, not a traceback; the service charges each batch once."""
    cache._database.execute("CREATE TRIGGER full BEFORE INSERT ON pseudonym BEGIN SELECT RAISE(FAIL, 'full'); END")
    outcome = run(world, cache)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "cache-failed"
    cache._database.execute("DROP TRIGGER full")
    assert isinstance(run(world, cache, numbers(90)), Delivery)


def scripted(
    world: World, *answers: httpx.Response | Exception
) -> tuple[ServiceSource, list[httpx.Request], list[float]]:
    """A source whose service answers as scripted; the requests it got; the pauses it made."""
    requests: list[httpx.Request] = []
    pauses: list[float] = []
    left = iter(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        answer = next(left)
        if isinstance(answer, Exception):
            raise answer
        return answer

    http = httpx.Client(transport=httpx.MockTransport(handler), base_url="http://service")
    return ServiceSource(http, world.key, PERIOD, wait=pauses.append), requests, pauses


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "service-refused"),
        (401, "credential-refused"),
        (403, "credential-refused"),
        (404, "no-service-there"),
        (405, "no-service-there"),
        (409, "service-refused"),
        (413, "service-refused"),
        (500, "service-failed"),
    ],
)
def test_every_refusal_of_the_service_has_its_text(world: World, status: int, code: str) -> None:
    """What the service answers becomes a text for a school administrator, whatever its body is."""
    for body in ("", "[]", '{"remaining": "x"}', '{"type": "/problems/key-expired", "not_after": "x"}'):
        source, _, _ = scripted(world, httpx.Response(status, text=body))
        outcome = source.evaluate([b"x"], missing=1)
        assert isinstance(outcome, Refusal)
        assert outcome.code == code


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("key-unknown", "key-refused"),
        ("key-not-active", "key-not-yet"),
        ("key-expired", "key-expired"),
        ("period-outside-key", "key-other-year"),
        ("not-found", "no-service-there"),
        ("method-not-allowed", "no-service-there"),
        ("not-authenticated", "credential-refused"),
        ("quota-exhausted", "quota-exhausted"),
        ("register-outdated", "register-outdated"),
        ("busy", "service-unreachable"),
        ("body-incomplete", "service-unreachable"),
        ("malformed", "service-refused"),
        ("too-large", "service-refused"),
        ("not-json", "service-refused"),
        ("internal", "service-failed"),
    ],
)
def test_every_problem_of_the_service_has_the_text_that_helps(world: World, code: str, said: str) -> None:
    """Chosen by what the problem is, not by its status alone, and with the day that the service names."""
    facts = {"elements": 5000, "asked": 1, "remaining": 7, "retry_after": 1, "school_year": YEAR}
    days = {"not_before": "2026-08-01", "not_after": "2028-01-01"}
    answer = response(Problem(code, facts | days), english=False)
    source, _, _ = scripted(world, *[httpx.Response(answer.status_code, content=bytes(answer.body))] * 4)
    outcome = source.evaluate([b"x"], missing=1)
    assert isinstance(outcome, Refusal)
    assert outcome.code == said
    named = {"key-not-yet": "2026-08-01", "key-expired": "2028-01-01", "quota-exhausted": "7"}.get(said, "")
    assert named in outcome.nl


def test_a_service_that_comes_back_is_asked_the_same_again(world: World) -> None:
    """After a lost connection or a 503 the same batch is sent again, after the pause that is asked for."""
    lost = httpx.ConnectError("lost")
    busy = httpx.Response(503, headers={"Retry-After": "7"})
    source, requests, pauses = scripted(world, lost, busy, httpx.Response(401))
    assert isinstance(source.evaluate([b"x"], missing=1), Refusal)
    assert len({request.content for request in requests}) == 1
    assert pauses == [0.5, 7.0]


@pytest.mark.parametrize(
    ("status", "body", "code", "tries"),
    [
        (429, '{"type": "/problems/quota-exhausted", "remaining": 3}', "quota-exhausted", 1),
        (429, '{"type": "/problems/too-many", "remaining": 3}', "service-unreachable", 4),
        (429, "<html>Too many requests", "service-unreachable", 4),
        (200, "<html>Welcome to our Wi-Fi", "no-service-there", 1),
        (200, "{}", "no-service-there", 1),
    ],
)
def test_only_the_service_says_that_the_quota_is_used_up(
    world: World, status: int, body: str, code: str, tries: int
) -> None:
    """Somebody else in between who counts requests is waited for; a page in place of an answer is no forged answer."""
    answer = httpx.Response(status, text=body, headers={"Retry-After": "7"})
    source, requests, pauses = scripted(world, *[answer] * 4)
    outcome = source.evaluate([b"x"], missing=1)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, len(requests), pauses) == (code, tries, [7.0] * (tries - 1))


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.DecodingError])
def test_a_service_that_stays_away_is_said(world: World, error: type[httpx.RequestError]) -> None:
    """Four tries, short pauses, then a refusal that says that nothing is lost; so with answers that are garbled."""
    source, requests, pauses = scripted(world, *[error("lost")] * 4)
    outcome = source.evaluate([b"x"], missing=1)
    assert isinstance(outcome, Refusal)
    assert outcome.code == "service-unreachable"
    assert (len(requests), pauses) == (4, [0.5, 1.0, 2.0])


def test_a_service_without_a_valid_register_is_said(world: World) -> None:
    """It answers, and waiting does not help: the operator has to act, which one answer suffices to say."""
    outdated = httpx.Response(503, json={"type": "/problems/register-outdated"}, headers={"Retry-After": "60"})
    source, requests, _ = scripted(world, outdated)
    outcome = source.evaluate([b"x"], missing=1)
    assert isinstance(outcome, Refusal)
    assert (outcome.code, len(requests)) == ("register-outdated", 1)


def test_a_long_pause_is_not_obeyed(world: World) -> None:
    """A service cannot make a school wait for an hour without a word."""
    source, _, pauses = scripted(world, *[httpx.Response(503, headers={"Retry-After": "3600"})] * 4)
    source.evaluate([b"x"], missing=1)
    assert max(pauses) == 10.0


def test_the_pinned_key_of_the_period_is_taken(world: World) -> None:
    """The key file gives the key of the school year, or a refusal that says what to do."""
    assert pinned_key(world.document, PERIOD) == world.key
    codes = [
        outcome.code
        for outcome in (
            pinned_key(world.document, "2027-2028-1"),
            pinned_key(world.document, "2027"),
            pinned_key(b"{}", PERIOD),
            pinned_key(world.document.replace(b"ristretto255", b"ristretto256"), PERIOD),
        )
        if isinstance(outcome, Refusal)
    ]
    assert codes == ["key-year", "period", "key-file", "key-file"]


def test_the_unsafe_local_key_is_for_exercises_only(world: World, cache: Cache) -> None:
    """It makes a document that says so, and a real period is refused."""
    refused = unsafe_local_source(b"k" * 32, exercise=False)
    assert isinstance(refused, Refusal)
    assert refused.code == "unsafe-local"
    source = unsafe_local_source(b"k" * 32, exercise=True)
    assert not isinstance(source, Refusal)
    assert isinstance(run(world, cache, source=source), Delivery)
    assert document(world)["key_id"] == UNSAFE_KEYED_LOCAL
