"""What the operator's machines see: enough to run the gateway, nothing about anybody."""

import asyncio
import json
import logging
import sys
import threading
from datetime import timedelta

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from audit.entry import Actor, Entry
from audit.events import Event, Role
from gateway import telemetry
from gateway.asgi import create_app
from gateway.telemetry import JsonLines

from .conftest import NOW, PERIOD, TABLE, Site, World, running


def test_a_line_of_the_log_says_where_and_not_what() -> None:
    """An error's type and places are written; its words, which can repeat what was sent, are not."""
    try:
        raise ValueError("Jan Jansen, 123456782")
    except ValueError:
        record = logging.LogRecord("gateway", logging.ERROR, __file__, 1, "it failed", (), sys.exc_info())
    telemetry.TRACE.set("a" * 32)
    line = JsonLines().format(record)
    assert "Jansen" not in line
    assert json.loads(line) | {"error": "ValueError", "message": "it failed", "trace": "a" * 32} == json.loads(line)
    assert "test_telemetry.py" in json.loads(line)["places"][0]


def test_an_unhandled_error_is_logged_with_its_trace_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The answer's reference finds the line in the log; the line repeats nothing of the request."""

    def fails(*_: object) -> str:
        raise ValueError("Jan Jansen")

    monkeypatch.setattr("gateway.http.callers.identify_token", fails)
    headers = {"Authorization": "Bearer Jansen"}
    answer = httpx.get(f"{site.url}/v1/submissions", params={"period": "Jansen"}, headers=headers)
    while not (failed := [record for record in caplog.records if record.exc_info]):
        threading.Event().wait(0.01)  # the line is written after the answer
    record = failed[0]
    line = JsonLines().format(record)
    assert answer.json()["instance"].removeprefix("urn:trace:") in line
    assert "Jansen" not in line


def test_metrics_are_for_this_machine_only(site: Site) -> None:
    """From here: answers by part of the site, jobs, the log's backlog. Under any other name there is nothing."""
    httpx.get(f"{site.url}/v1/purposes")
    here = httpx.get(f"{site.url}/metrics")
    proxied = httpx.get(f"{site.url}/metrics", headers={"Host": "poort.example"})
    assert (here.status_code, proxied.status_code) == (200, 404)
    assert 'http_answers_total{area="v1",method="GET",status="200"}' in here.text
    assert "log_pending" in here.text


def of_the_log(world: World) -> dict[str, float]:
    """What the metrics say of the log, as read on the machine itself."""

    async def read() -> str:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(create_app(world.gateway))) as http:
            return (await http.get("http://127.0.0.1/metrics")).text

    lines = (line.split() for line in asyncio.run(read()).splitlines() if line.startswith("log_"))
    return {name: float(figure) for name, figure in lines}


def test_entries_with_an_index_but_no_signature_count_as_waiting(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sequencer that gives indexes and signs nothing leaves every entry waiting, and its last signature grows old."""
    assert of_the_log(world)["log_signed_age_seconds"] == float("inf")
    world.sequence()
    assert of_the_log(world) == {"log_pending": 0, "log_signed_age_seconds": 0}
    monkeypatch.setattr("audit.sequencer.Sequencer._publish", lambda *_: None)
    for _ in range(3):
        world.gateway.log_act(Entry(event=Event.REGISTER_READ, actor=Actor(Role.OPERATOR, "ORG-POORT")))
    world.sequence()
    world.gateway.log_act(Entry(event=Event.REGISTER_READ, actor=Actor(Role.OPERATOR, "ORG-POORT")))
    assert of_the_log(world.at(NOW + timedelta(hours=2))) == {"log_pending": 4, "log_signed_age_seconds": 7200}


def test_a_crowd_that_is_sent_away_is_counted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is refused before anything looks at it stands among the answers too."""
    monkeypatch.setattr("gateway.http.edge.MOST_AT_ONCE", 0)
    assert httpx.patch(f"{site.url}/v1/purposes").status_code == 503
    assert b'http_answers_total{area="v1",method="PATCH",status="503"}' in telemetry.metrics({}, 0, 0.0)


def test_metrics_say_nothing_of_pupils_or_parties(site: Site) -> None:
    """After a delivery no metric has a label or name of a site, a period or a count of pupils."""
    code = site.world.region.sites[0].code
    with site.client(code) as http:
        params = {"collection": TABLE, "party": code, "period": PERIOD}
        made = http.post("/v1/submissions", params=params, content=site.world.counts(0))
        body = http.get("/metrics").text
    assert made.status_code == 201
    assert not [word for word in (code, PERIOD, TABLE, "pupil", "submission") if word in body]


def test_a_span_holds_no_address(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each request is one span by method and part of the site; a login secret in the address is nowhere in it."""
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(telemetry, "_tracer", provider.get_tracer("test"))
    with running(world.ticking()) as site:  # a span ends after its answer was sent, and before the server does
        httpx.get(f"{site.url}/login/one-time-secret?who=Jansen")
    seen = [span.to_json() for span in spans.get_finished_spans()]
    assert [json.loads(span)["name"] for span in seen] == ["GET login"]
    assert "one-time-secret" not in seen[0]
    assert "Jansen" not in seen[0]
    provider.shutdown()


def test_health_says_what_works(site: Site) -> None:
    """Alive and ready, while the database answers."""
    answers = [httpx.get(f"{site.url}/health/{which}") for which in ("live", "ready")]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, {"status": "ok"})] * 2
