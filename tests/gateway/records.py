"""Deliveries of records in a small deployment, and what the database and the log then hold."""

import json

from sqlmodel import select

from audit.schema import PENDING
from gateway.receive import Received, Upload, receive
from gateway.store import Enrolment
from gateway.synthetic.pupils import draw_pupils
from pseudonymisation.pseudonym import read_pseudonym

from .conftest import PERIOD, World
from .documents import local_pseudonym, records_document


def delivered(world: World, index: int = 0, period: str = PERIOD) -> list[bytes]:
    """Let a site deliver records; returns the pseudonyms of its pupils."""
    site = world.region.sites[index]
    pupils = draw_pupils(site, index=index, period=1, seed=1)
    body = records_document(pupils, world.gateway.contracts["absence-records"], site=site.code, period=period)
    outcome = receive(world.gateway, world.site(index), Upload("absence-records", site.code, period, body))
    assert isinstance(outcome, Received), outcome
    return [read_pseudonym(local_pseudonym(int(number), site.code.encode())) for number in pupils.numbers]


def rows(world: World) -> list[Enrolment]:
    """Every row that is stored."""
    with world.gateway.reading() as session:
        return list(session.exec(select(Enrolment).order_by(Enrolment.pid)))


def events(world: World) -> list[str]:
    """Events that wait for the sequencer, in order."""
    with world.gateway.reading() as session:
        waiting = session.connection().execute(select(PENDING).order_by(PENDING.c.id)).all()
    return [json.loads(row.data)["event"] for row in waiting]
