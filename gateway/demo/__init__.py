"""Everything in one command: an invented region, from the schools' deliveries to a published release."""

import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from gateway.app import create_deployment, open_gateway
from gateway.asgi import create_app
from gateway.context import Gateway
from gateway.demo import people
from gateway.demo.deliveries import deliver_all
from gateway.demo.releasing import download_all, open_the_period, release_it, verify_the_log
from gateway.demo.service import Service, pseudonym_service
from gateway.messages import Language, MendableError, text
from gateway.running import free_port, port_is_free, serve
from gateway.settings import Home, Settings, database_url, home
from gateway.synthetic.region import Region, make_region
from gateway.working import background

Say = Callable[[str], None]


def run_once(data: Path | None, *, sites: int, seed: int, progress: Say) -> Mapping[str, object]:
    """The whole job without a server; returns its summary. Without a data folder nothing is left behind."""
    if data is not None:
        return _job(home(data), sites=sites, seed=seed, progress=progress)
    with tempfile.TemporaryDirectory(prefix="verzuimpoort-") as folder:
        inside = Path(folder) / "data"
        return _job(Home(inside, database_url(inside / "gateway.sqlite")), sites=sites, seed=seed, progress=progress)


def run_and_serve(data: Path, *, port: int, sites: int, seed: int, say: Say, language: Language) -> None:
    """The same job, then pages, API, worker and pseudonym service until told to stop. Old data is gone on with."""
    where = home(data)
    gateway = _deployment(where, port)
    with pseudonym_service(gateway) as service, background(gateway, threading.Event()):
        if not people.is_loaded(gateway):
            _run(_Stage(gateway, make_region(sites, seed), service, seed, say))
        say(text("cli", "demo-links", language))
        for label, secret in people.login_links(gateway):
            say(text("cli", "link-for", language, label=label, url=f"{gateway.settings.base_url}/login/{secret}"))
        say(text("cli", "running", language, url=gateway.settings.base_url))
        serve(create_app(gateway), host="127.0.0.1", port=port)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a run of the job works with."""

    gateway: Gateway
    region: Region
    service: Service
    seed: int
    progress: Say


def _job(where: Home, *, sites: int, seed: int, progress: Say) -> Mapping[str, object]:
    gateway = _deployment(where, 8000)
    try:
        with pseudonym_service(gateway) as service, background(gateway, threading.Event()):
            return _run(_Stage(gateway, make_region(sites, seed), service, seed, progress))
    finally:
        gateway.database.dispose()


def _deployment(where: Home, port: int) -> Gateway:
    """The demo of this folder at the addresses of today, which its settings keep from the first time."""
    # A demo has no second way to prove who one is: its links stay good for grave acts.
    settings = Settings(
        base_url=f"http://127.0.0.1:{port}",
        service_url=f"http://127.0.0.1:{free_port()}",
        in_force=people.IN_FORCE,
        methods=people.METHODS,
        proven_minutes=480,
    )
    gateway = create_deployment(where, settings)
    kept = urlsplit(gateway.settings.service_url).port
    again = kept is not None and port_is_free(kept)
    addresses = {"base_url": settings.base_url} | ({} if again else {"service_url": settings.service_url})
    gateway.database.dispose()
    return open_gateway(where, gateway.settings.model_copy(update=addresses))


def _run(stage: _Stage) -> Mapping[str, object]:
    """The main job.

    Steps: (1) the register and an exercise period; (2) every school delivers, with faults, corrections and
    confirmations; (3) the period is closed, a release built, approved by another person and published; (4) every
    recipient downloads its slice; (5) the log is exported and verified by the stand-alone verifier.

    Raises:
        MendableError: it was begun in this folder before, and only half a demo would come of it.
    """
    began = time.monotonic()
    gateway, say = stage.gateway, stage.progress
    if people.was_begun(gateway):
        raise MendableError("demo-again", folder=gateway.home.folder)
    say("register …")
    period = open_the_period(gateway, stage.region, stage.service.key_document())  # (1)
    stage.service.register(gateway, stage.region)
    say("aanleveringen …")
    delivered = deliver_all(gateway, stage.region, stage.service, period=period, seed=stage.seed)  # (2)
    say("uitlevering …")
    released = release_it(gateway, period)  # (3)
    say("downloads …")
    downloads = download_all(gateway, stage.region, released.release_id)  # (4)
    say("logboek …")
    log = verify_the_log(gateway)  # (5)
    return {
        "sites": len(stage.region.sites),
        "submissions": delivered.submissions,
        "refused": delivered.refused,
        "records": delivered.records,
        "released_cells": released.cells,
        "published_cells": released.published,
        "suppressed_cells": released.suppressed,
        "attacker": released.attacker,
        "downloads": downloads,
        "audit_entries": log.entries,
        "audit_verified": log.verified,
        "seconds": round(time.monotonic() - began, 1),
    }
