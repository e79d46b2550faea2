"""What a process tells its operator: log lines, metrics, traces; without personal data or pupil-derived counts.

An exception's message can repeat a value that was sent, an address can hold a login secret: neither is ever written.
"""

import json
import logging
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from time import perf_counter
from typing import Self

from opentelemetry import trace
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

TRACE: ContextVar[str] = ContextVar("trace", default="")
_AREAS = ("v1", "health", "metrics", "static", "login", "sign-in")
_REGISTRY = CollectorRegistry()
_LABELS = ("method", "area", "status")
_SECONDS = Histogram("http_seconds", "Time to answer", _LABELS[:2], registry=_REGISTRY)
_ANSWERS = Counter("http_answers", "Answers by status", _LABELS, registry=_REGISTRY)
_JOBS = Gauge("jobs", "Jobs by state", ("state",), registry=_REGISTRY)
_PENDING = Gauge("log_pending", "Entries that the log's sequencer has not signed yet", registry=_REGISTRY)
_SIGNED_AGE = Gauge("log_signed_age_seconds", "Time since the log was last signed", registry=_REGISTRY)
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS")
_tracer = trace.get_tracer("verzuimpoort")


class JsonLines(logging.Formatter):
    """One JSON object a line: when, how bad, what, in which request; of an error its type and places, not its words."""

    def format(self, record: logging.LogRecord) -> str:
        """A record as a line."""
        line: dict[str, object] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "trace": TRACE.get(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            places = traceback.extract_tb(record.exc_info[2])
            line |= {
                "error": record.exc_info[0].__name__,
                "places": [f"{place.filename}:{place.lineno} {place.name}" for place in places],
            }
        return json.dumps(line, ensure_ascii=False)


def set_up_logging() -> None:
    """Write every logger's warnings as JSON lines to standard error, where the service manager collects them."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def set_up_traces(collector: str) -> None:
    """Send a span for each request to an OpenTelemetry collector; needs the extra `telemetry`.

    Args:
        collector: URL of its OTLP receiver over HTTP, such as `http://127.0.0.1:4318/v1/traces`.
    """
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  an extra
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  likewise
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  likewise
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  likewise

    provider = TracerProvider(resource=Resource.create({"service.name": "verzuimpoort"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=collector)))
    trace.set_tracer_provider(provider)


class Request:
    """One request as it is watched: by method and part of the site, never by address."""

    def __init__(self, method: str, path: str, trace_id: str) -> None:
        first = path.split("/")[1] if path.count("/") else ""
        self.method = method if method in _METHODS else "other"
        self.area = first if first in _AREAS else "pages"
        self.status = 500
        TRACE.set(trace_id)
        self._began = perf_counter()
        self._span = _tracer.start_span(f"{self.method} {self.area}", attributes={"verzuimpoort.trace": trace_id})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        _SECONDS.labels(self.method, self.area).observe(perf_counter() - self._began)
        _ANSWERS.labels(self.method, self.area, str(self.status)).inc()
        self._span.set_attribute("http.response.status_code", self.status)
        self._span.end()


def metrics(jobs: dict[str, int], pending: int, signed_age: float) -> bytes:
    """All metrics of this process in Prometheus's text format.

    Args:
        jobs: Jobs by state.
        pending: Entries that the log's sequencer has not signed yet.
        signed_age: Seconds since its newest checkpoint; infinite where there is none.
    """
    _JOBS.clear()
    for state, number in jobs.items():
        _JOBS.labels(state).set(number)
    _PENDING.set(pending)
    _SIGNED_AGE.set(signed_age)
    return generate_latest(_REGISTRY)
