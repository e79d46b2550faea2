"""Deliveries of records in a small deployment, and what the database and the log then hold."""

import dataclasses
import errno
import json
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlmodel import select

from audit.schema import PENDING
from gateway.database import open_database
from gateway.operate import Desk
from gateway.outcome import Refused
from gateway.receive import Checked, Received, Upload, receive
from gateway.store import Enrolment
from gateway.synthetic.pupils import draw_pupils
from pseudonymisation.pseudonym import read_pseudonym

from .conftest import PERIOD, World
from .documents import local_pseudonym, records_document


def sent(world: World, index: int = 0, period: str = PERIOD, drawn: int = 1) -> Received | Checked | Refused:
    """What becomes of the records of a site, as they were drawn for its first period or for another."""
    site = world.region.sites[index]
    pupils = draw_pupils(site, index=index, period=drawn, seed=1)
    body = records_document(pupils, world.gateway.contracts["absence-records"], site=site.code, period=period)
    return receive(world.gateway, world.site(index), Upload("absence-records", site.code, period, body))


def delivered(world: World, index: int = 0, period: str = PERIOD) -> list[bytes]:
    """Let a site deliver records; returns the pseudonyms of its pupils."""
    outcome, site = sent(world, index, period), world.region.sites[index]
    assert isinstance(outcome, Received), outcome
    numbers = draw_pupils(site, index=index, period=1, seed=1).numbers
    return [read_pseudonym(local_pseudonym(int(number), site.code.encode())) for number in numbers]


def rows(world: World) -> list[Enrolment]:
    """Every row that is stored."""
    with world.gateway.reading() as session:
        return list(session.exec(select(Enrolment).order_by(Enrolment.pid)))


@contextmanager
def elsewhere(world: World) -> Iterator[Desk]:
    """The operator's desk in another process, which soon gives up waiting for a lock."""
    database = open_database(world.gateway.home.database)
    if database.dialect.name == "postgresql":
        event.listen(database, "connect", _impatient)
    yield Desk(dataclasses.replace(world.gateway, database=database), world.desk.identity)
    database.dispose()


def _impatient(connection: DBAPIConnection, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("SET lock_timeout = '100ms'")
    cursor.close()
    connection.commit()


@contextmanager
def full_disk(world: World) -> Iterator[None]:
    """No transaction of this deployment commits."""

    def full(_: Connection) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    event.listen(world.gateway.database, "commit", full)
    yield
    event.remove(world.gateway.database, "commit", full)


def events(world: World) -> list[str]:
    """Events that wait for the sequencer, in order."""
    with world.gateway.reading() as session:
        waiting = session.connection().execute(select(PENDING).order_by(PENDING.c.id)).all()
    return [json.loads(row.data)["event"] for row in waiting]
