"""Machines with a client certificate: whose word is taken for it, and what is read in it."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.demo.people import IN_FORCE, must
from gateway.http.certificate import oin_of
from gateway.settings import Settings

from .certificates import authority, machine
from .conftest import Site, present_world, running

OIN = "00000003123456780000"
CA = authority()


@pytest.fixture
def behind_proxy(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    """A gateway that believes the header of the given proxies."""
    world = present_world(tmp_path / "data", settings=Settings(in_force=IN_FORCE, proxies=request.param))
    must(world.desk.register_oin(world.region.sites[0].code, OIN, scopes=["submit"]))
    with running(world) as site:
        yield site


@pytest.mark.parametrize("form", ["escaped", "der"])
def test_the_number_is_read_in_both_forms(form: str) -> None:
    """As nginx escapes it and as RFC 9440 writes it."""
    assert oin_of(getattr(machine(CA, OIN), form), datetime.now(UTC)) == OIN


def test_a_certificate_without_one_number_or_out_of_date_has_none() -> None:
    """No number, two numbers, expired, not valid yet: nothing."""
    now = datetime.now(UTC)
    for made in (machine(CA), machine(CA, OIN, OIN[::-1]), machine(CA, OIN, ended=True)):
        assert oin_of(made.escaped, now) == ""
    assert oin_of(machine(CA, OIN).escaped, now - timedelta(days=100)) == ""


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_no_header_breaks_the_reader(header: str) -> None:
    """Whatever the header holds, the answer is a text, and junk has no number."""
    assert oin_of(header, datetime.now(UTC)) == ""


@pytest.mark.parametrize("behind_proxy", [("127.0.0.1",)], indirect=True)
def test_a_machine_delivers_with_its_certificate(behind_proxy: Site) -> None:
    """Behind its proxy: registered delivers within its scopes; unknown, or with a token of another party, does not."""
    site = behind_proxy
    about = site.world.about(0)
    good, unknown = ({"Client-Cert": machine(CA, number).escaped} for number in (OIN, OIN[::-1]))
    with site.client() as http, site.client(site.world.region.sites[1].code) as other:
        assert http.post("/v1/submissions", params=about, content=site.world.counts(0), headers=good).status_code == 201
        assert http.get("/v1/audit/entries", headers=good).json()["type"] == "/problems/scope"
        assert http.get("/v1/releases", headers=unknown).status_code == 401
        assert other.get("/v1/submissions", headers=good).status_code == 401
        assert other.get("/v1/submissions").status_code == 200


@pytest.mark.parametrize("behind_proxy", [("127.0.0.1",)], indirect=True)
@pytest.mark.parametrize(
    ("site", "answer"), [("cross-site", 403), ("same-site", 403), ("same-origin", 404), ("none", 404), (None, 404)]
)
def test_a_page_elsewhere_changes_nothing_with_the_certificate_of_a_browser(
    behind_proxy: Site, site: str | None, answer: int
) -> None:
    """A browser shows a certificate for every page, and says from which; a program says nothing and is heard."""
    headers = {"Client-Cert": machine(CA, OIN).escaped} | ({"Sec-Fetch-Site": site} if site else {})
    with behind_proxy.client() as http:
        assert http.post(f"/v1/submissions/{'0' * 32}/confirmation", headers=headers).status_code == answer
        assert http.get("/v1/releases", headers=headers).status_code == 200


@pytest.mark.parametrize("behind_proxy", [(), ("10.0.0.1",)], indirect=True)
def test_a_header_from_outside_is_nobodys_word(behind_proxy: Site) -> None:
    """Whoever is not the proxy may write what it likes: the header is dropped."""
    answer = httpx.get(f"{behind_proxy.url}/v1/submissions", headers={"Client-Cert": machine(CA, OIN).escaped})
    assert answer.status_code == 401
