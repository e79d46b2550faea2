"""A deployment with everybody registered, and a token for each machine that will ask something during the year."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from joserfc.jwk import ECKey

from benchmarks.client import Answer
from gateway.app import create_deployment
from gateway.context import Gateway
from gateway.demo.deliveries import COUNTS
from gateway.demo.people import IN_FORCE, METHODS, MINISTER, must
from gateway.demo.service import Service, pseudonym_service
from gateway.grants import register_agreements
from gateway.identity import Identity
from gateway.key_store import open_kek
from gateway.operate import Desk
from gateway.periods import first_day, school_year_on
from gateway.running import free_port
from gateway.service_keys import pin_service_keys
from gateway.settings import Home, Settings
from gateway.synthetic.region import Region, codes
from pseudonymisation.keyring import Keyring
from pseudonymisation.service.keys import EVALUATION

from .door import Door, expect
from .schools import Key

CARE, SERVICE_OPERATOR = "ORG-JGZ", "ORG-DIENST"
SCOPES = {"site": ("submit", "download", "consent"), "recipient": ("download",), "care": ("consent",)}
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass(frozen=True)
class Stage:
    """A deployment and what its participants hold.

    Attributes:
        tokens: Party → token of its machine.
        care_key: The youth health service's own key, to which case references are sealed.
    """

    gateway: Gateway
    region: Region
    year: str
    care_key: ECKey = field(repr=False)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def desk(self) -> Desk:
        """The operator's command line."""
        return Desk(self.gateway, Identity(self.gateway.settings.operator, "operator", proven=True))

    @property
    def recipients(self) -> list[str]:
        """Every SWV and gemeente."""
        return [*self.region.swvs, *self.region.gemeenten]

    def period(self, number: int) -> str:
        """The code of a period."""
        return f"{self.year}-{number}"


def prepare(home: Home, region: Region, *, processes: int) -> Stage:
    """Register everybody, open the four periods for real, make the keys and a token for each machine."""
    settings = Settings(
        service_url=f"http://127.0.0.1:{free_port()}",
        in_force=IN_FORCE,
        methods=dict(METHODS),
        service_operator=SERVICE_OPERATOR,
        proven_minutes=480,
        processes=processes,
    )
    gateway = create_deployment(home, settings)
    care_key = ECKey.generate_key("P-256", {"kid": "care-key-of-the-year"}, private=True)
    stage = Stage(gateway, region, school_year_on(gateway.today), care_key)
    _register(stage)
    for number in range(1, 5):
        dates = {"reference_date": gateway.today, "deadline": gateway.today + timedelta(days=14)}
        must(stage.desk.open_period(COUNTS, stage.period(number), **dates, exercise=False))
    stage.tokens.update(_tokens(stage, (site.code for site in region.sites), "site"))
    stage.tokens.update(_tokens(stage, stage.recipients, "recipient"))
    stage.tokens.update(_tokens(stage, [CARE], "care"))
    return stage


def _register(stage: Stage) -> None:
    first, desk, region = first_day(stage.year), stage.desk, stage.region
    entries = [site.entry for site in region.sites]
    others = [(MINISTER, "minister", "Minister van Onderwijs"), (CARE, "youth_health_care", "Jeugdgezondheidszorg")]
    must(desk.register(entries, [*codes(region), *others], first))
    must(register_agreements(desk, [site.code for site in region.sites], first))
    public = {name: str(value) for name, value in stage.care_key.as_dict(private=False).items()}
    must(desk.register_key(CARE, public))


def _tokens(stage: Stage, parties: Iterable[str], kind: str) -> Iterator[tuple[str, str]]:
    expires = datetime.now(UTC) + timedelta(days=300)
    for party in parties:
        yield party, must(stage.desk.issue_token(party, scopes=SCOPES[kind], expires_at=expires))


@contextmanager
def service_of(stage: Stage, sample: Sequence[str]) -> Iterator[tuple[Service, Key]]:
    """Run the pseudonym service, give a sample of sites their credentials, pin its keys; and its key of the year."""
    sites = tuple(site for site in stage.region.sites if site.code in set(sample))
    with pseudonym_service(stage.gateway) as service:
        service.register(stage.gateway, replace(stage.region, sites=sites))
        must(pin_service_keys(stage.desk, service.key_document()))
        keys = stage.gateway.home.service / "keys"
        ring = Keyring(keys / "ring", open_kek("kek", keys / "kek.json", None))
        record = ring.active(EVALUATION, stage.year)
        if record is None:
            raise LookupError("the service has no key of this school year")
        yield service, Key(record.key_id, stage.year, ring.secret(record.key_id))


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in."""

    door: Door
    cookie: str = field(repr=False)
    csrf: str = field(repr=False)

    def ask(self, path: str, body: object) -> Answer:
        """Do something over the API in this person's session."""
        return self.door.ask("POST", path, json=body, headers={"Cookie": self.cookie, "X-CSRF-Token": self.csrf})


def log_in(stage: Stage, door: Door, party: str, role: str, home: str, *, label: str = "") -> Person:
    """A person of a party at the door: through a one-time link to the page of its role."""
    secret = must(stage.desk.invite(party, role, label))
    cookie = expect(door.ask("POST", f"/login/{secret}"), 303).headers["Set-Cookie"].partition(";")[0]
    found = _CSRF.search(expect(door.ask("GET", home, headers={"Cookie": cookie}), 200).text)
    if found is None:
        raise LookupError("the page has no token against forged requests")
    return Person(door, cookie, found[1])


def a_year_later(stage: Stage, day: date) -> Gateway:
    """The same deployment on another day: the clock of its acts and that of its log."""
    moment = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    log = replace(stage.gateway.log, clock=lambda: int(moment.timestamp() * 1000))
    return replace(stage.gateway, clock=lambda: moment, log=log)


def folder_of(home: Home, name: str) -> Path:
    """A folder of this run beside the deployment's own."""
    made = home.folder.parent / name
    made.mkdir(exist_ok=True)
    return made
