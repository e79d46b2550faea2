"""Running the gateway: init, serve, worker, pseudonym-service, migrate, demo."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from gateway.cli.common import Data, Json, Lang, app, say, say_json
from gateway.cli.failing import at_the_end, language, say_error
from gateway.messages import MendableError, text
from gateway.settings import DATABASE_VARIABLE, Settings, home

Port = Annotated[int, typer.Option("--port", min=1, max=65535)]
Host = Annotated[str, typer.Option("--host")]
DEMO_FOLDER = Path("data")


@app.command()
def init(data: Data = None, lang: Lang = "nl") -> None:
    """Maak gegevensmap, sleutels en de eerste beheerders / make data folder, keys and the first operators."""
    from gateway.app import create_deployment, first_links

    gateway = create_deployment(home(data), Settings())
    at_the_end(gateway.database.dispose)
    for first in first_links(gateway, ("beheerder 1", "beheerder 2")):
        url = f"{gateway.settings.base_url}/login/{first.secret}"
        say(text("cli", "link-for", language(lang), label=first.person.label, url=url))


@app.command()
def serve(
    data: Data = None,
    port: Port = 8000,
    host: Host = "127.0.0.1",
    workers: Annotated[int, typer.Option("--workers", min=1, max=64)] = 1,
    _lang: Lang = "nl",
) -> None:
    """Draai de poort: API en pagina's / run API and pages. The log is sequenced by `worker`."""
    from gateway.running import run_server

    run_server(home(data), host=host, port=port, workers=workers)


@app.command()
def worker(data: Data = None, _lang: Lang = "nl") -> None:
    """Draai het werk op de achtergrond en het logboek / run jobs and the log's sequencer."""
    from gateway.working import run_worker

    run_worker(home(data))


@app.command("pseudonym-service")
def pseudonym_service(
    folder: Annotated[Path, typer.Option("--folder", exists=True, file_okay=False, help="Map / folder.")],
    port: Port = 8001,
    host: Host = "127.0.0.1",
    _lang: Lang = "nl",
) -> None:
    """Draai de pseudoniemdienst, met eigen map, sleutels en logboek / run the pseudonym service."""
    from gateway.running import run_pseudonym_service

    run_pseudonym_service(folder, host=host, port=port)


@app.command()
def migrate(
    data: Data = None,
    roles: Annotated[bool, typer.Option("--roles", help="Maak de rollen van PostgreSQL / make the roles.")] = False,
    lang: Lang = "nl",
) -> None:
    """Breng de database bij, als eigenaar van de tabellen / bring the database to the newest revision, as its owner."""
    from gateway.app import migrate as to_newest
    from gateway.database import open_database
    from gateway.revision import revision_of
    from gateway.yearly import LOG_KEY

    where = home(data)
    engine = open_database(where.database)
    at_the_end(engine.dispose)
    with engine.connect() as connection:
        before = revision_of(connection)
    if not before and (where.keys / LOG_KEY).exists():
        raise MendableError("database-empty", database=engine.url, variable=DATABASE_VARIABLE)
    to_newest(engine, roles=roles)
    with engine.connect() as connection:
        facts = {"database": str(engine.url), "before": before or "-", "after": revision_of(connection)}
    say(text("cli", "migrated", language(lang), **facts))


@app.command()
def demo(
    port: Port = 8000,
    data: Data = None,
    sites: Annotated[int, typer.Option("--sites", min=10, max=500)] = 60,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 1,
    once: Annotated[bool, typer.Option("--once", help="Zonder server: doe het werk en stop / no server.")] = False,
    as_json: Json = False,
    lang: Lang = "nl",
) -> None:
    """Alles in één commando: een verzonnen regio van aanlevering tot uitlevering / everything, embedded."""
    from gateway.demo import run_and_serve, run_once
    from gateway.running import demand_free

    if once:
        summary = run_once(data, sites=sites, seed=seed, progress=say_error if not as_json else _silent)
        (say_json if as_json else _say_summary)(summary)
        return
    demand_free("127.0.0.1", port)
    run_and_serve(data or DEMO_FOLDER, port=port, sites=sites, seed=seed, say=say, language=language(lang))


def _silent(_: str) -> None:
    """Nothing: a program reads the summary only."""


def _say_summary(summary: Mapping[str, object]) -> None:
    for name, value in summary.items():
        say(f"{name}: {value}")
