"""What the schools of the demo do: most deliver counts, some records with pseudonyms, and some err at first."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gateway.collections import Contract
from gateway.context import Gateway
from gateway.deliveries import confirm, withdraw
from gateway.demo.people import must
from gateway.demo.service import Service
from gateway.formats.read_csv import read_csv
from gateway.identity import Identity
from gateway.outcome import GatewayError, Refused
from gateway.receive import Received, Upload, receive
from gateway.synthetic.export import counts_csv, school_export
from gateway.synthetic.pupils import Pupils, draw_pupils
from gateway.synthetic.region import Region, Site
from pseudonymisation import client

COUNTS, RECORDS = "absence-counts", "absence-records"
# One site in so many: sends records, errs at first, corrects itself, stays away.
RECORDS_EVERY, ERRS_EVERY, CORRECTS_EVERY, AWAY_EVERY = 5, 9, 11, 23


@dataclass
class Tally:
    """What was delivered and refused."""

    submissions: int = 0
    refused: int = 0
    records: int = 0


@dataclass(frozen=True, slots=True)
class _School:
    """One site at work in one period."""

    gateway: Gateway
    site: Site
    period: str
    tally: Tally

    def send(self, collection: str, body: bytes) -> Received | Refused:
        """Deliver a file as the site's own program would."""
        upload = Upload(collection, self.site.code, self.period, body)
        outcome = receive(self.gateway, Identity(self.site.code, "machine"), upload)
        if isinstance(outcome, Refused):
            self.tally.refused += 1
            return outcome
        if not isinstance(outcome, Received):
            raise GatewayError("a delivery of the demo was only checked")
        self.tally.submissions += 1
        return outcome

    def confirm(self, received: Received) -> None:
        """Confirm the counts."""
        must(confirm(self.gateway, Identity(self.site.code, "machine"), received.submission.id))

    def withdraw(self, received: Received) -> None:
        """Withdraw a delivery."""
        must(withdraw(self.gateway, Identity(self.site.code, "machine"), received.submission.id))


def deliver_all(gateway: Gateway, region: Region, service: Service, *, period: str, seed: int) -> Tally:
    """Let every site deliver and confirm; returns what was received and refused."""
    tally = Tally()
    key = client.pinned_key(service.key_document(), period)
    if isinstance(key, client.Refusal):
        raise GatewayError(f"the service has no key for this period: {key.code}")
    with tempfile.TemporaryDirectory(prefix="verzuimpoort-school-") as folder:
        for index, site in enumerate(region.sites):
            if index % AWAY_EVERY == AWAY_EVERY - 1:
                continue
            pupils = draw_pupils(site, index=index, period=int(period[-1]), seed=seed)
            school = _School(gateway, site, period, tally)
            if index % RECORDS_EVERY == 0:
                with service.client(site.code) as http:
                    source = client.ServiceSource(http, key, period)
                    body = document_of(
                        site, pupils, source, period=period, folder=Path(folder), contract=gateway.contracts[RECORDS]
                    )
                school.confirm(must(school.send(RECORDS, body)))
                tally.records += site.pupils
            else:
                _deliver_counts(school, index, counts_csv(pupils, gateway.contracts[COUNTS]))
    return tally


def _deliver_counts(school: _School, index: int, body: bytes) -> None:
    if index % ERRS_EVERY == 1:
        school.send(COUNTS, b"\n".join(body.split(b"\n")[:-3]))  # the last rows forgotten: refused, nothing kept
    if index % CORRECTS_EVERY == 2:  # noqa: PLR2004  any remainder will do
        first = must(school.send(COUNTS, body))
        school.confirm(first)
        school.withdraw(first)
    school.confirm(must(school.send(COUNTS, body)))


def document_of(
    site: Site, pupils: Pupils, source: client.ServiceSource, *, period: str, folder: Path, contract: Contract
) -> bytes:
    """The document of records that the school's client makes from an export of its own system."""
    export = read_csv(school_export(pupils), ())
    cache = client.open_cache(folder / site.code, period[:9])
    if isinstance(cache, client.Refusal):
        raise GatewayError(f"no cache: {cache.code}")
    with cache:
        made = client.pseudonymise(
            export.header,
            export.rows,
            site=site.code,
            period=period,
            source=source,
            cache=cache,
            bands=[client.Band(name, upper) for name, upper in contract.bands.upper.items()],
            output=folder / f"{site.code}.json",
            offered=site.subdivisions,
        )
    if isinstance(made, client.Refusal):
        raise GatewayError(f"pseudonymise refused: {made.en} {made.faults[:3]}")
    return made.path.read_bytes()
