"""Senders that stop, crawl, hang up or never begin, without a proxy in front: each has its end, and hinders nobody."""

import logging
import select
import socket
from contextlib import closing, suppress

import pytest

from gateway import running as serving
from gateway.http import edge
from tests.gateway.conftest import Site


def connect(site: Site) -> socket.socket:
    host, port = site.url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=60)


def head(site: Site, size: int, path: str = "") -> bytes:
    """The head of what the first school delivers, or sends elsewhere, and the first three bytes of its body."""
    with site.client(site.world.region.sites[0].code) as http:
        token = http.headers["authorization"]
    query = "&".join(f"{name}={value}" for name, value in site.world.about(0).items())
    lines = (
        f"POST {path or f'/v1/submissions?{query}'} HTTP/1.1",
        "Host: x",
        f"Authorization: {token}",
        "Content-Type: application/x-www-form-urlencoded",
        f"Content-Length: {size}",
        "",
        "sub",
    )
    return "\r\n".join(lines).encode()


def all_of(sender: socket.socket) -> bytes:
    """Everything until the other side hangs up."""
    return b"".join(iter(lambda: sender.recv(65_536), b""))


def nothing_is_kept(site: Site) -> None:
    with site.client(site.world.region.sites[0].code) as http:
        assert http.get("/v1/submissions").json() == []


def test_cut_and_slow_connections_hinder_nobody(site: Site) -> None:
    """Fifty senders that stop half-way: others are served meanwhile, and of the fifty nothing is kept."""
    beginning = head(site, 5_000)
    senders = [connect(site) for _ in range(50)]
    try:
        for sender in senders:
            sender.sendall(beginning)
        with site.client(site.world.region.sites[1].code) as http:
            answer = http.post("/v1/submissions", params=site.world.about(1), content=site.world.counts(1))
            assert answer.status_code == 201
    finally:
        for sender in senders:
            with closing(sender):
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not a farewell
    nothing_is_kept(site)


def test_a_sender_that_stops_is_let_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """No next part of the body: 408 says that nothing was kept, and the connection is closed."""
    monkeypatch.setattr(edge, "PAUSE_SECONDS", 0.2)
    with closing(connect(site)) as sender:
        sender.sendall(head(site, 5_000))
        answer = all_of(sender)
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"/problems/body-incomplete"' in answer
    assert b"connection: close" in answer.lower()
    nothing_is_kept(site)


def test_a_sender_that_crawls_is_let_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte after byte without an end: 408 once the whole took too long, or a reset that overtakes it."""
    monkeypatch.setattr(edge, "BODY_SECONDS", 0.2)
    with closing(connect(site)) as sender:
        sender.sendall(head(site, 16_000_000))
        with suppress(ConnectionError):
            while not select.select([sender], [], [], 0.01)[0]:
                sender.sendall(b"x")
            assert sender.recv(65_536).startswith(b"HTTP/1.1 408")
    nothing_is_kept(site)


def test_a_small_body_has_an_end_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """A form of a page and a body that the framework reads: the same."""
    monkeypatch.setattr(edge, "PAUSE_SECONDS", 0.2)
    for path in ("/v1/releases", "/login/x"):
        with closing(connect(site)) as sender:
            sender.sendall(head(site, 50, path))
            assert all_of(sender).startswith(b"HTTP/1.1 408")


def test_a_connection_without_a_request_is_let_go(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing at all, half a head, or half of the next head after an answer: closed without a word."""
    monkeypatch.setattr(serving, "HEAD_SECONDS", 0.2)
    for given in (b"", b"GET /v1/purposes HT", b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\nGET /v1"):
        with closing(connect(site)) as sender:
            sender.sendall(given)
            answer = all_of(sender)
        assert answer.count(b"HTTP/1.1 ") == given.count(b"\r\n\r\n")


def test_a_connection_has_its_last_request_and_says_so(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """After so many requests the answer says that the connection ends: the next one may go to a less busy process."""
    monkeypatch.setattr(serving, "REQUESTS_A_CONNECTION", 2)
    with closing(connect(site)) as sender:
        sender.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
        answers = all_of(sender).lower().split(b"http/1.1 200")[1:]
    assert [b"connection: close" in answer for answer in answers] == [False, True]


def test_who_hangs_up_half_way_is_no_fault_of_ours(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    """A connection that is cut in the middle of a body leaves no error in the process log."""
    with caplog.at_level(logging.WARNING), closing(connect(site)) as sender:
        sender.sendall(head(site, 5_000))
        sender.shutdown(socket.SHUT_WR)
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    with site.client() as http:
        assert http.get("/v1/purposes").is_success
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
