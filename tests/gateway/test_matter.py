"""What the law was told of a delivery no longer holds when it is acted on: refused or asked anew, with an entry."""

from collections.abc import Callable
from datetime import date, timedelta

import pytest
from sqlalchemy import Connection

from gateway.changes import change_numbers
from gateway.context import Gateway
from gateway.database import UNAVAILABLE
from gateway.deliveries import confirm, own_submissions, read, receipt_of, withdraw
from gateway.demo.people import must
from gateway.grants import end_agreement, end_mandate, grant_mandate
from gateway.identity import Identity
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.prepared import Prepared
from gateway.receive import Received, Upload, receive
from gateway.register import SiteEntry
from gateway.retention import run
from gateway.store import Enrolment, Submission

from .conftest import PERIOD, TABLE, World
from .records import delivered, elsewhere, events, rows, sent
from .test_changes import NEW, document

SUPPLIER = Identity("ORG-LAS", "machine", scopes=frozenset({"all"}))


def meanwhile(patch: pytest.MonkeyPatch, change: Callable[[], object]) -> None:
    """This happens once the law has answered, before anything is done."""
    decide, left = Gateway.decide, [change]

    def then_changed(*given: object, **named: object) -> object:
        decision = decide(*given, **named)  # type: ignore[arg-type]  # passed on as it came
        while left:
            left.pop()()
        return decision

    patch.setattr(Gateway, "decide", then_changed)


def newest(world: World) -> str:
    return own_submissions(world.gateway, world.site(0))[0][0].id


def stored(world: World) -> list[Submission]:
    return [row for row, _ in own_submissions(world.gateway, world.site(0))]


def ended(world: World) -> None:
    """The agreement of the first site ends, and what stood under it is erased."""
    must(end_agreement(world.desk, world.region.sites[0].code))
    must(run(world.gateway, Identity(world.gateway.settings.operator, "machine")))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda world, _: sent(world, drawn=2), "forbidden"),
        (lambda world, _: confirm(world.gateway, world.site(0), newest(world)), "busy"),
        (lambda world, first: change_numbers(world.gateway, world.site(0), document(world, (first, NEW))), "busy"),
    ],
    ids=["deliver", "confirm", "change a number"],
)
def test_no_row_is_kept_after_the_agreement_ended(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[World, bytes], object], told: str
) -> None:
    """Permitted before that and done after it: refused, and no row stands that the retention run has not seen."""
    first, *_ = delivered(world)
    meanwhile(monkeypatch, lambda: ended(world))
    refused = act(world, first)
    assert isinstance(refused, Refused)
    assert (refused.code, rows(world)) == (told, list[Enrolment]())
    assert events(world)[-3:] == ["agreement.ended", "retention.run", "submission.refused"]


def mandated(world: World) -> None:
    """A supplier may do everything with the counts of the first site, for a week."""
    must(world.desk.add_party(SUPPLIER.party, "supplier", "Leverancier"))
    today, site = world.gateway.today, world.region.sites[0].code
    acts = ["submit", "confirm", "withdraw-submission", "read-submission"]
    days = {"valid_from": today, "valid_to": today + timedelta(days=7)}
    must(grant_mandate(world.desk, SUPPLIER.party, site, actions=acts, collections=[TABLE], **days))


def counts(world: World, period: int = 1) -> Upload:
    return Upload(TABLE, world.region.sites[0].code, PERIOD, world.counts(0, period))


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (lambda world: receive(world.gateway, SUPPLIER, counts(world, 2)), "not-found"),
        (lambda world: confirm(world.gateway, SUPPLIER, newest(world)), "busy"),
        (lambda world: withdraw(world.gateway, SUPPLIER, newest(world)), "busy"),
        (lambda world: read(world.gateway, SUPPLIER, newest(world)), "busy"),
        (lambda world: receipt_of(world.gateway, SUPPLIER, newest(world)), "busy"),
    ],
    ids=["deliver", "confirm", "withdraw", "read", "receipt"],
)
def test_a_supplier_does_nothing_after_its_mandate_ended(
    world: World, monkeypatch: pytest.MonkeyPatch, act: Callable[[World], object], told: str
) -> None:
    """Permitted before that and done after it: refused, and after that end the log has no other entry of it."""
    mandated(world)
    must(receive(world.gateway, SUPPLIER, counts(world)))
    world.sequence()
    before = stored(world)
    meanwhile(monkeypatch, lambda: must(end_mandate(world.desk, SUPPLIER.party, world.region.sites[0].code)))
    refused = act(world)
    assert isinstance(refused, Refused)
    assert (refused.code, stored(world)) == (told, before)
    assert events(world) == ["mandate.revoked", "submission.refused"]


def under_another_sector(desk: Desk, world: World) -> None:
    """A site ends, and is listed anew as one that offers something else."""
    site, since = world.region.sites[0], date(2026, 8, 1)
    must(desk.end_site(site.code, since))
    other = {"po": "so", "so": "po"}.get(site.sector, "vso" if site.sector == "vo" else "vo")
    entry = SiteEntry(
        site.code, site.name, other, ("undivided",), site.board, site.gemeente, None, site.pupils, funded=True
    )
    must(desk.register([entry], [], since))


def test_a_file_is_checked_by_the_facts_under_which_it_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its site is listed under another sector while it is under way: read anew, it has faults, and nothing is kept."""
    meanwhile(monkeypatch, lambda: under_another_sector(world.desk, world))
    refused = receive(world.gateway, world.site(0), counts(world))
    assert isinstance(refused, Refused)
    assert (refused.code, stored(world)) == ("faults-in-file", list[Submission]())
    assert events(world)[-1] == "submission.refused"


@pytest.mark.parametrize(
    "change",
    [
        lambda desk, world: end_agreement(desk, world.region.sites[0].code),
        lambda desk, world: end_mandate(desk, SUPPLIER.party, world.region.sites[0].code),
        under_another_sector,
    ],
    ids=["agreement", "mandate", "register"],
)
def test_what_a_delivery_goes_by_holds_until_it_is_kept(
    world: World, monkeypatch: pytest.MonkeyPatch, change: Callable[[Desk, World], object]
) -> None:
    """Who ends it waits for the delivery that is being kept: its entry is not the earlier one."""
    mandated(world)
    keep = Prepared.store

    def ending(made: Prepared, connection: Connection) -> None:
        with pytest.raises(UNAVAILABLE):
            change(other, world)
        keep(made, connection)

    with monkeypatch.context() as patch, elsewhere(world) as other:
        patch.setattr("gateway.database.BUSY_SECONDS", 0)
        patch.setattr(Prepared, "store", ending)
        assert isinstance(receive(world.gateway, SUPPLIER, counts(world)), Received)
