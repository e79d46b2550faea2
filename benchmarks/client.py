"""A client that costs little of its own: it shares the machine with what is measured."""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from select import POLLIN, poll
from typing import Any

_ANSWER_SECONDS = 150.0


@dataclass(frozen=True)
class Answer:
    """What was answered, and to which method and path."""

    asked: str
    status_code: int
    headers: Message
    content: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode()

    def json(self) -> Any:  # noqa: ANN401  whatever was answered
        """The body as a value."""
        return json.loads(self.content)


class Client:
    """Sends over connections that are kept: as many as there are threads that send at the same time.

    Args:
        host: `127.0.0.1:8000`.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self._kept: deque[HTTPConnection] = deque()

    def send(
        self,
        method: str,
        path: str,
        token: str | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to one request.

        Raises:
            OSError: nobody answered, or broke off; the next request is sent over a new connection.
            http.client.HTTPException: likewise.
        """
        said = {**(headers or {}), **({"Authorization": f"Bearer {token}"} if token else {})}
        connection = self._connection()
        try:
            connection.request(method, path, body, said)
            answer = connection.getresponse()
            content = answer.read()
        except BaseException:
            connection.close()
            raise
        self._kept.append(connection)
        return Answer(f"{method} {path}", answer.status, answer.headers, content)

    def close(self) -> None:
        """Hang up."""
        while self._kept:
            self._kept.pop().close()

    def _connection(self) -> HTTPConnection:
        """One that is kept, opened again if the other side closed it meanwhile; or a new one."""
        try:
            kept = self._kept.pop()
        except IndexError:
            return HTTPConnection(self._host, timeout=_ANSWER_SECONDS)
        if kept.sock is not None:
            said = poll()  # `select` knows no file above 1,023
            said.register(kept.sock, POLLIN)
            if said.poll(0):
                kept.close()
        return kept
