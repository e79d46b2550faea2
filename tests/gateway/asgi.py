"""Ask an application without a server."""

import asyncio

from starlette.types import ASGIApp, Message


def ask(app: ASGIApp, path: str) -> dict[str, str]:
    """The headers of the answer to a GET."""
    sent: list[Message] = []
    scope = {
        "type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "query_string": b"", "headers": [],
        "client": ("127.0.0.1", 1), "server": ("poort.example", 443), "scheme": "https", "http_version": "1.1",
        "root_path": "", "asgi": {"version": "3.0"},
    }  # fmt: skip

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return {name.decode(): value.decode() for name, value in sent[0]["headers"]}
