"""Pinning the pseudonym service's keys: one for a school year for good, and nobody but their signer adds another."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlmodel import select

from gateway.outcome import Refused
from gateway.service_keys import Pinned, pin_service_keys
from gateway.store import ServiceKey as Row
from pseudonymisation.domain import service_info
from pseudonymisation.key_document import ServiceKey, read_key_document, write_key_document
from pseudonymisation.oprf import public_key

from .conftest import World
from .records import events

SIGNER, OTHER = bytes(31) + b"\1", bytes(31) + b"\2"


def key(year: str = "2026-2027", seed: bytes = bytes(32)) -> ServiceKey:
    first, key_id = int(year[:4]), f"{int(year[:4]):016x}"
    return ServiceKey(key_id, year, public_key(seed, service_info(year)), date(first, 8, 1), date(first + 1, 9, 1))


def document(world: World, *keys: ServiceKey, secret: bytes = SIGNER) -> bytes:
    return write_key_document(world.gateway.settings.service_operator, keys, secret)


def years(world: World) -> list[str]:
    with world.gateway.reading() as session:
        return sorted(session.exec(select(Row.school_year)))


def test_keys_are_pinned_once(world: World) -> None:
    """The same file again pins nothing; one with a year more pins that year, with an entry for each."""
    files = [document(world, key()), document(world, key()), document(world, key(), key("2027-2028"))]
    assert [pin_service_keys(world.desk, each) for each in files] == [Pinned(1), Pinned(0), Pinned(1)]
    assert years(world) == ["2026-2027", "2027-2028"]
    assert events(world)[-2:] == ["key.published", "key.published"]


@pytest.mark.parametrize(
    "other",
    [
        key(seed=bytes(31) + b"\1"),
        replace(key(seed=bytes(31) + b"\1"), key_id="f" * 16),
        replace(key(), not_after=date(2028, 9, 1)),
    ],
    ids=["same id", "other id", "other days"],
)
def test_a_pinned_key_never_changes(world: World, other: ServiceKey) -> None:
    """Another public key under the same id, under another id, or other days: refused, with the new year beside it."""
    assert pin_service_keys(world.desk, document(world, key())) == Pinned(1)
    assert pin_service_keys(world.desk, document(world, other, key("2027-2028"))) == Refused(
        "key-year", facts={"schoolYear": "2026-2027"}
    )
    assert years(world) == ["2026-2027"]


def test_nobody_but_the_signer_adds_a_year(world: World) -> None:
    """A file of another signer is refused until the operator names that signer, and then the log says so."""
    assert pin_service_keys(world.desk, document(world, key())) == Pinned(1)
    theirs = document(world, key("2027-2028"), secret=OTHER)
    assert pin_service_keys(world.desk, theirs) == Refused("key-document")
    named = read_key_document(theirs).signer
    assert pin_service_keys(world.desk, document(world, key("2027-2028")), signer=named) == Refused("key-document")
    assert pin_service_keys(world.desk, theirs, signer=named) == Pinned(1, other_signer=True)
    assert events(world)[-2:] == ["key.rotated", "key.published"]
    assert pin_service_keys(world.desk, document(world, key("2028-2029"))) == Refused("key-document")
    assert pin_service_keys(world.desk, document(world, key("2028-2029"), secret=OTHER)) == Pinned(1)


def test_another_signer_of_the_same_years_takes_over(world: World) -> None:
    """Without any new key too: the log says so, once, schools get the new file, and the one before adds no year."""
    first, theirs = document(world, key(), key("2027-2028")), document(world, key(), secret=OTHER)
    pin_service_keys(world.desk, first)
    named, later = read_key_document(theirs).signer, world.at(world.gateway.clock() + timedelta(days=1))
    outcomes = [pin_service_keys(later.desk, theirs, signer=named) for _ in range(2)]
    assert outcomes == [Pinned(0, other_signer=True), Pinned(0)]
    assert (events(world).count("key.rotated"), events(world)[-1]) == (1, "key.rotated")
    with world.gateway.reading() as session:
        kept = session.exec(select(Row.document).order_by(Row.school_year)).all()
    assert [text.encode() for text in kept] == [theirs, first]
    assert pin_service_keys(world.desk, document(world, key("2028-2029"))) == Refused("key-document")
    assert pin_service_keys(world.desk, document(world, key("2028-2029"), secret=OTHER)) == Pinned(1)


def test_a_signer_takes_over_with_a_key(world: World) -> None:
    """A file without keys leaves nothing to keep the new signer by: it is refused, and the one before stays."""
    pin_service_keys(world.desk, document(world, key()))
    empty = document(world, secret=OTHER)
    assert pin_service_keys(world.desk, empty, signer=read_key_document(empty).signer) == Refused("key-document")
    assert pin_service_keys(world.desk, document(world, key("2027-2028"))) == Pinned(1)


def test_a_service_that_started_anew_is_pinned_without_the_year_it_lost(world: World) -> None:
    """Its new key of a pinned year is refused by that year's name; once it closed that year, its next one is taken."""
    pin_service_keys(world.desk, document(world, key()))
    anew, closed = key(seed=bytes(31) + b"\1"), key("2027-2028")
    theirs = [document(world, *keys, secret=OTHER) for keys in ((anew, closed), (closed,))]
    named = read_key_document(theirs[0]).signer
    outcomes = [pin_service_keys(world.desk, each, signer=named) for each in theirs]
    assert outcomes == [Refused("key-year", facts={"schoolYear": "2026-2027"}), Pinned(1, other_signer=True)]
    assert years(world) == ["2026-2027", "2027-2028"]
