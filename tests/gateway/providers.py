"""OpenID Connect providers: a real one in a process of its own, and one that lies as told."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import httpx
import uvicorn
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from gateway.running import free_port

CLIENT = "verzuimpoort"


@contextmanager
def honest_provider() -> Iterator[str]:
    """A provider of the registries in a process of its own, as its issuer."""
    port = free_port()
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "oidc_provider_mock",
        "--port",
        str(port),
        "--require-nonce",
        "true",
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    issuer = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            with suppress(httpx.TransportError):
                httpx.get(f"{issuer}/.well-known/openid-configuration")
                break
            time.sleep(0.05)
        yield issuer
    finally:
        process.terminate()
        process.wait()


def log_in(url: str, sub: str) -> dict[str, str]:
    """What the honest provider sends back for somebody who logs in there."""
    answer = httpx.post(url, data={"sub": sub})
    return dict(httpx.URL(answer.headers["location"]).params)


class Liar:
    """A provider whose ID token, key or configuration can be spoiled; `claims` holds what it says of the person."""

    def __init__(self) -> None:
        self.port = free_port()
        self.issuer = f"http://127.0.0.1:{self.port}"
        self.key, self.other_key = (RSAKey.generate_key(2048, {"kid": "k"}, auto_kid=False) for _ in range(2))
        self.claims: dict[str, Any] = {}
        self.spoil: Callable[[dict[str, Any]], Mapping[str, Any]] = lambda claims: claims
        self.signs_with, self.header = self.key, {"alg": "RS256", "kid": "k"}
        self.configured_issuer = self.issuer
        self.asked = 0

    def configuration(self, _: Request) -> JSONResponse:
        self.asked += 1
        ends = {f"{name}_endpoint": f"{self.issuer}/{name}" for name in ("authorization", "token")}
        return JSONResponse({"issuer": self.configured_issuer, "jwks_uri": f"{self.issuer}/keys", **ends})

    def keys(self, _: Request) -> JSONResponse:
        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    def token(self, _: Request) -> JSONResponse:
        return JSONResponse({"access_token": "a", "id_token": self.id_token()})

    def id_token(self) -> str:
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "sub": "s", "iat": now, "exp": now + 60, "auth_time": now}
        return jwt.encode(self.header, dict(self.spoil(claims | self.claims)), self.signs_with)

    @contextmanager
    def running(self) -> Iterator["Liar"]:
        """Answer as long as the block runs."""
        routes = [
            Route("/.well-known/openid-configuration", self.configuration),
            Route("/keys", self.keys),
            Route("/token", self.token, methods=["POST"]),
        ]
        config = uvicorn.Config(Starlette(routes=routes), host="127.0.0.1", port=self.port, log_level="error")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            threading.Event().wait(0.01)
        try:
            yield self
        finally:
            server.should_exit = True
            thread.join()
