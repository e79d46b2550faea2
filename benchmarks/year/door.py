"""Asking the gateway over HTTP as a careful client does: one connection pool, and again when nobody answered."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

CONNECTIONS = 8
PATIENCE_SECONDS = 300.0
_LATER = frozenset({429, 502, 503, 504})


@dataclass
class Door:
    """The front of a deployment.

    Attributes:
        url: Of the proxy, or of the only server.
        heard: How often each status was answered, and `again` for requests that had to be repeated.
    """

    url: str
    heard: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        limits = httpx.Limits(max_connections=2 * CONNECTIONS, max_keepalive_connections=2 * CONNECTIONS)
        self.http = httpx.Client(base_url=self.url, timeout=150, limits=limits)

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer; what got none, or was told to come back, is asked again with the same words.

        Raises:
            TimeoutError: nobody answered for five minutes.
        """
        said = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                answer = self.http.request(method, path, params=params, content=content, json=json, headers=said)
            except httpx.TransportError:
                self._hear("again")
                time.sleep(0.2)
                continue
            if answer.status_code not in _LATER:
                self._hear(str(answer.status_code))
                return answer
            self._hear("again")
            time.sleep(min(float(answer.headers.get("retry-after", 1)), 2.0))
        raise TimeoutError(f"no answer to {method} {path.split('/')[2:3]}")

    def close(self) -> None:
        """Hang up."""
        self.http.close()

    def _hear(self, what: str) -> None:
        with self._lock:
            self.heard[what] += 1


def expect(answer: httpx.Response, *statuses: int) -> httpx.Response:
    """The answer, if it has one of these statuses.

    Raises:
        RuntimeError: it has not; says what was answered, which names no pupil.
    """
    if answer.status_code not in statuses:
        raise RuntimeError(
            f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text[:600]}"
        )
    return answer
