"""The demo's period: opened as an exercise, closed, released with four eyes, downloaded by all, the log verified."""

import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlmodel import select

from audit.verify import Fault, Policy, check_bundle
from gateway.context import Gateway, operator_of
from gateway.demo.people import MINISTER, must
from gateway.exports import take_out
from gateway.formats.write import Format
from gateway.grants import register_agreements
from gateway.identity import Identity, add_person
from gateway.operate import Desk
from gateway.outcome import GatewayError
from gateway.oversight import policy_text
from gateway.periods import first_day, school_year_on
from gateway.publish.asking import certificate_of, request_build
from gateway.publish.deciding import publish, review
from gateway.publish.downloading import download
from gateway.service_keys import pin_service_keys
from gateway.store import Release, ReleaseSlice, ReleaseState
from gateway.synthetic.region import Region, codes
from gateway.table import CellStatus, decode_rows

TABLE = "absence-counts"


@dataclass(frozen=True, slots=True)
class Released:
    """A published release in figures."""

    release_id: str
    cells: int
    published: int
    suppressed: int
    attacker: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Verified:
    """What the stand-alone verifier said of the exported log."""

    entries: int
    verified: bool


def open_the_period(gateway: Gateway, region: Region, key_document: bytes) -> str:
    """Register the region from the first day of the school year, open its first period as an exercise, pin the keys."""
    desk = Desk(gateway, operator_of(gateway))
    year = school_year_on(gateway.today)
    sites = [site.entry for site in region.sites]
    must(desk.register(sites, [*codes(region), (MINISTER, "minister", "Minister van Onderwijs")], first_day(year)))
    must(register_agreements(desk, [site.code for site in region.sites], first_day(year)))
    period = f"{year}-1"
    must(
        desk.open_period(
            TABLE,
            period,
            reference_date=gateway.today,
            deadline=gateway.today + timedelta(days=14),
            exercise=True,
        )
    )
    must(pin_service_keys(desk, key_document))
    return period


def release_it(gateway: Gateway, period: str, table: str = TABLE) -> Released:
    """Close, build, approve by another person, publish."""
    must(Desk(gateway, operator_of(gateway)).close_period(table, period))
    with gateway.writing() as session:
        builder, approver = (
            add_person(session, gateway.settings.operator, "operator", label).id for label in ("bouwer", "beoordelaar")
        )
    release_id = must(request_build(gateway, operator_of(gateway, builder), table, period)).id
    _await_build(gateway, release_id)
    must(review(gateway, operator_of(gateway, approver), release_id, approved=True, reason="Oefening nagekeken."))
    must(publish(gateway, operator_of(gateway, builder), release_id, reason="Oefening gepubliceerd."))
    with gateway.reading() as session:
        release = session.get_one(Release, release_id)
        parts = session.exec(select(ReleaseSlice).where(ReleaseSlice.release_id == release_id)).all()
    rows = [row for part in parts for row in decode_rows(part.rows)]
    verdict = certificate_of(release)["attacker"]
    return Released(
        release_id,
        cells=len(rows),
        published=sum(row.status == CellStatus.PUBLISHED for row in rows),
        suppressed=sum(row.status == CellStatus.SUPPRESSED for row in rows),
        attacker={name: verdict[name] for name in ("exact", "narrowed")},
    )


def _await_build(gateway: Gateway, release_id: str) -> None:
    """Wait until the worker has built the release."""
    while True:
        with gateway.reading() as session:
            release = session.get_one(Release, release_id)
        if release.state == ReleaseState.FAILED:
            raise GatewayError(f"the release could not be built: {release.failure}")
        if release.state != ReleaseState.BUILDING:
            return
        time.sleep(0.05)


def download_all(gateway: Gateway, region: Region, release_id: str) -> int:
    """Every SWV and gemeente downloads its slice, the public the country, and one school its own table."""
    recipients: list[Identity | None] = [Identity(code, "machine") for code in (*region.swvs, *region.gemeenten)]
    for identity in (*recipients, None):
        must(download(gateway, identity, release_id, Format.CSV))
    must(download(gateway, Identity(region.sites[0].code, "machine"), release_id, Format.XLSX))
    return len(recipients) + 2


def verify_the_log(gateway: Gateway) -> Verified:
    """Export the log as the controller's officer would, and let the stand-alone verifier judge it."""
    try:
        with (
            must(take_out(gateway, Identity(MINISTER, "controller-officer"))) as bundle,
            zipfile.ZipFile(bundle) as opened,
        ):
            return Verified(check_bundle(opened, Policy(policy_text(gateway)), []).entries, verified=True)
    except Fault:
        return Verified(0, verified=False)
