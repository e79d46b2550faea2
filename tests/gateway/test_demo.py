"""The demo on a folder of before: the addresses of today, and no second half of an old one."""

import socket
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from gateway import demo
from gateway.demo.people import must
from gateway.identity import Identity
from gateway.messages import MendableError
from gateway.operate import Desk
from gateway.settings import Home, database_url, home, read_settings

from .conftest import World


def test_settings_name_the_ports_that_are_used(tmp_path: Path) -> None:
    """The file has the addresses of the first time; the next can act, and keeps the service port while it is free."""
    where = Home(tmp_path / "data", database_url(tmp_path / "data" / "gateway.sqlite"))
    first = demo._deployment(where, 8123)
    again = demo._deployment(where, 8124)
    desk = Desk(again, Identity(again.settings.operator, "operator"))
    assert must(desk.invite(again.settings.operator, "operator", "somebody"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", urlsplit(first.settings.service_url).port))
        listener.listen()
        taken = demo._deployment(where, 8123)
    for gateway in (first, again, taken):
        gateway.database.dispose()
    assert read_settings(where).service_url == first.settings.service_url == again.settings.service_url
    assert taken.settings.service_url != first.settings.service_url
    assert [one.settings.base_url[-4:] for one in (first, again)] == ["8123", "8124"]


def test_a_demo_that_was_begun_is_not_begun_again(new_world: Callable[..., World]) -> None:
    """Half a demo, broken off, is named with its folder and the mend, before anything is done in it."""
    folder = new_world().gateway.home.folder
    with pytest.raises(MendableError, match="give another folder with --data"):
        demo._job(home(folder), sites=10, seed=1, progress=lambda _: None)
