"""Asking the gateway over HTTP as a careful client does: over connections that are kept, again when nobody answered."""

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from json import dumps
from urllib.parse import urlencode, urlsplit

from benchmarks.client import Answer, Client

CONNECTIONS = 32  # schools, or recipients, that are served at the same time
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
        self._client = Client(urlsplit(self.url).netloc)

    def ask(
        self,
        method: str,
        path: str,
        token: str | None = None,
        *,
        params: Mapping[str, str] | None = None,
        content: bytes = b"",
        json: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer; what got none, or was told to come back, is asked again with the same words.

        Raises:
            TimeoutError: nobody answered for five minutes.
        """
        where = f"{path}?{urlencode(params)}" if params else path
        said = dict(headers or {})
        if json is not None:
            content, said["Content-Type"] = dumps(json).encode(), "application/json"
        end = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < end:
            try:
                answer = self._client.send(method, where, token, content, said)
            except (OSError, HTTPException):
                self._hear("again")
                time.sleep(0.2)
                continue
            if answer.status_code not in _LATER:
                self._hear(str(answer.status_code))
                return answer
            self._hear("again")
            time.sleep(min(float(answer.headers.get("Retry-After", 1)), 2.0))
        raise TimeoutError(f"no answer to {method} {path.split('/')[2:3]}")

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _hear(self, what: str) -> None:
        with self._lock:
            self.heard[what] += 1


def expect(answer: Answer, *statuses: int) -> Answer:
    """The answer, if it has one of these statuses.

    Raises:
        RuntimeError: it has not; says what was answered, which names no pupil.
    """
    if answer.status_code not in statuses:
        raise RuntimeError(f"{answer.asked}: {answer.status_code} {answer.text[:600]}")
    return answer
