"""Processes that work on a log until they are killed: writers, sequencers, and a database server."""

import os
from multiprocessing.connection import Connection as Pipe

from audit.entry import Object
from audit.log import Log, wall_clock
from audit.sequencer import Sequencer
from tests.audit.world import VOCABULARY, engine_of, entry, signer

BUSINESS = "CREATE TABLE IF NOT EXISTS business (id TEXT PRIMARY KEY)"


def write(url: str, pipe: Pipe) -> None:
    """Act and log in one transaction, again and again; say each id once its commit is done."""
    engine, log = engine_of(url), Log(VOCABULARY)
    while True:
        name = os.urandom(16).hex()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"INSERT INTO business VALUES ('{name}')")  # noqa: S608  hexadecimal
            log.append(connection, entry(object=Object(f"submission:{name}")))
        pipe.send(name)


def sequence(url: str, pipe: Pipe) -> None:
    """Order and sign, again and again; show every checkpoint, as a public log does."""
    engine = engine_of(url)
    sequencer = Sequencer(engine, Log(VOCABULARY), signer(), batch=16)
    while True:
        if signed := sequencer.step(wall_clock()).signed:
            pipe.send(signed)
