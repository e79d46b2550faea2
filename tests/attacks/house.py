"""A gateway with something of one school in every room, a caller of every kind, and who gets through which door."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx
from sqlmodel import select

from gateway.demo.people import IN_FORCE, MINISTER, must
from gateway.grants import grant_mandate
from gateway.identity import add_person, identify_session, start_session
from gateway.settings import Settings
from gateway.store import Person, Submission
from tests.gateway.conftest import NOW, PERIOD, TABLE, Site, World, build_world, running
from tests.gateway.test_consents import CARE, EVIDENCE, KEY, sealed, terms
from tests.web.conftest import deliver, released

UNLIMITED = Settings(in_force=IN_FORCE, requests_per_minute=10_000_000, public_per_minute=10_000_000)
OPEN = "2026-2027-2"
SUPPLIER, MANDATED = "ORG-LAS-A", "ORG-LAS-B"

MACHINES = ("school", "neighbour", "swv", "other-swv", "gemeente", "care", "supplier", "mandated", "operator-machine")
PEOPLE = ("school-person", "builder", "approver", "privacy-officer", "controller-officer")
KNOWN = frozenset(MACHINES + PEOPLE)
ALL = KNOWN | {"public"}
OF_SCHOOL = frozenset({"school", "school-person"})
OPERATORS = frozenset({"builder", "approver"})


@dataclass(frozen=True)
class Door:
    """One operation as it is tried: about the first school, by everybody.

    Attributes:
        through: Callers who get past the lock; what they get may still be a conflict.
    """

    method: str
    path: str
    through: frozenset[str]
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None


@dataclass(frozen=True)
class House:
    """A running gateway with something of the first school in every room."""

    site: Site
    ids: Mapping[str, str]
    callers: Mapping[str, httpx.Client]
    doors: Mapping[str, Door]


@contextmanager
def open_house(folder: Path, database: str) -> Iterator[House]:
    """Ten schools, one published release, an open period, a consent with a record, and a caller of every kind."""
    world = build_world(folder / "data", database=database, settings=UNLIMITED).ticking()
    region = world.region
    with ExitStack() as closing:
        closing.callback(world.gateway.database.dispose)
        site = closing.enter_context(running(world))
        deliver(world, PERIOD, range(10), 1)
        must(world.desk.close_period(TABLE, PERIOD))
        people = staff(world)
        release = released(world, people)
        day = NOW.date()
        must(world.desk.open_period(TABLE, OPEN, reference_date=day, deadline=day, exercise=True))
        deliver(world, OPEN, [0], 2)
        for code in (SUPPLIER, MANDATED):
            must(world.desk.add_party(code, "supplier", code))
        must(world.desk.add_party(CARE, "youth_health_care", CARE))
        must(world.desk.register_key(CARE, {name: str(value) for name, value in KEY.as_dict(private=False).items()}))
        scope = {"actions": ["submit", "check", "confirm", "read-submission"], "collections": [TABLE]}
        until = day + timedelta(days=30)
        must(grant_mandate(world.desk, MANDATED, region.sites[0].code, **scope, valid_from=day, valid_to=until))
        callers = clients(site, people)
        for client in callers.values():
            closing.callback(client.close)
        ids = things(world, callers["school"], release)
        yield House(site, ids, callers, doors(world, ids))


def staff(world: World) -> dict[str, int]:
    """Persons of every role."""
    region, operator = world.region, world.gateway.settings.operator
    parties = {
        "school-person": (region.sites[0].code, "school"),
        "builder": (operator, "operator"),
        "approver": (operator, "operator"),
        "privacy-officer": (region.sites[0].swv, "privacy-officer"),
        "controller-officer": (MINISTER, "controller-officer"),
    }
    with world.gateway.writing() as session:
        return {role: add_person(session, *party, role).id or 0 for role, party in parties.items()}


def clients(site: Site, people: Mapping[str, int]) -> dict[str, httpx.Client]:
    """A client for every caller: machines with a token for everything, people with a session and its CSRF token."""
    region, gateway = site.world.region, site.world.gateway
    swvs, gemeenten = sorted(region.swvs), sorted(region.gemeenten)
    first = region.sites[0]
    parties = dict(
        zip(
            MACHINES,
            (
                first.code, region.sites[1].code, first.swv, next(code for code in swvs if code != first.swv),
                next(code for code in gemeenten if code == first.gemeente), CARE, SUPPLIER, MANDATED,
                gateway.settings.operator,
            ),
            strict=True,
        )
    )  # fmt: skip
    made = {"public": httpx.Client(base_url=site.url, timeout=30)}
    expires = site.world.gateway.clock() + timedelta(days=3650)
    for name, party in parties.items():
        token = must(site.world.desk.issue_token(party, scopes=["all"], expires_at=expires))
        made[name] = httpx.Client(base_url=site.url, headers={"Authorization": f"Bearer {token}"}, timeout=30)
    for name, person in people.items():
        now, lasts = gateway.clock(), gateway.settings.proven_for
        with gateway.writing() as session:
            who = session.get_one(Person, person)
            opened = start_session(session, who, now, proven_at=now, proven_for=lasts)
        with gateway.reading() as session:
            found = identify_session(session, opened.secret, now, proven_for=lasts)
            assert found is not None
        cookies, headers = {"verzuimpoort": opened.secret}, {"X-CSRF-Token": found[1].csrf}
        made[name] = httpx.Client(base_url=site.url, cookies=cookies, headers=headers, timeout=30)
    return made


def things(world: World, school: httpx.Client, release: str) -> dict[str, str]:
    """Ids of what belongs to the first school."""
    submission = next(row["id"] for row in school.get("/v1/submissions").json() if row["period"] == OPEN)
    receipt = world.gateway
    with receipt.reading() as session:
        entry = session.exec(select(Submission.entry_id).where(Submission.id == submission)).one()
    signatures = [{"giver": "parent", "date": "2026-11-01", "evidence": EVIDENCE}]
    asked = {"terms": json.loads(terms().model_dump_json()), "signatures": signatures}
    made = school.post("/v1/consents", json=asked)
    assert made.status_code == 201, made.text
    return {
        "submission": submission, "release": release, "consent": made.json()["id"], "entry": entry,
        "code": world.region.sites[0].code,
    }  # fmt: skip


def doors(world: World, ids: Mapping[str, str]) -> dict[str, Door]:
    """Every operation of the API, with who gets through."""
    site = {"collection": TABLE, "party": ids["code"], "period": OPEN}
    one, of_release, consent = f"/submissions/{ids['submission']}", f"/releases/{ids['release']}", ids["consent"]
    senders = OF_SCHOOL | {"mandated"}
    reason = json.dumps({"reason": "x"}).encode()
    leaf, filters = {"leaf": ids["entry"]}, {"period": OPEN}
    question = json.dumps({"subject": {}, "action": {}, "resource": {}}).encode()
    access = json.dumps({"schoolYear": "2026-2027", "pseudonym": "A" * 86}).encode()
    build = json.dumps({"collection": TABLE, "period": PERIOD}).encode()
    verdict = json.dumps({"approved": True, "reason": "x"}).encode()
    asked = json.dumps({"terms": json.loads(terms().model_dump_json())}).encode()
    record = {
        "consent": consent,
        "reference": sealed(),
        "data": {"period": OPEN, "hours_illness": "1", "hours_scheduled": "9"},
    }
    none: frozenset[str] = frozenset()
    officers = frozenset({"privacy-officer", "controller-officer"})
    return {
        "submit": Door("POST", "/submissions", senders, site, world.counts(0, 3)),
        "listSubmissions": Door("GET", "/submissions", KNOWN),
        "readSubmission": Door("GET", one, senders),
        "readReceipt": Door("GET", f"{one}/receipt", senders),
        "readReport": Door("GET", f"{one}/report", senders),
        "confirmSubmission": Door("POST", f"{one}/confirmation", senders),
        "withdrawSubmission": Door("POST", f"{one}/withdrawal", OF_SCHOOL),
        "changeNumbers": Door("POST", "/number-changes", none, {}, b"{}"),
        "listReleases": Door("GET", "/releases", ALL),
        "readRelease": Door("GET", of_release, ALL),
        "buildRelease": Door("POST", "/releases", OPERATORS, {}, build),
        "approveRelease": Door("POST", f"{of_release}/approvals", OPERATORS, {}, verdict),
        "publishRelease": Door("POST", f"{of_release}/publication", OPERATORS, {}, reason),
        "withdrawRelease": Door("POST", f"{of_release}/withdrawal", OPERATORS, {}, reason),
        "downloadTable": Door("GET", f"{of_release}/table", ALL),
        "readDictionary": Door("GET", f"{of_release}/dictionary", ALL),
        "readCertificate": Door("GET", f"{of_release}/certificate", ALL),
        "readDownloadReceipt": Door("GET", f"/receipts/{ids['entry']}", OF_SCHOOL),
        "listConsents": Door("GET", "/consents", KNOWN),
        "registerConsent": Door("POST", "/consents", OF_SCHOOL | {"neighbour"}, {}, asked),
        "readConsent": Door("GET", f"/consents/{consent}", OF_SCHOOL | {"care"}),
        "appendConsentEvent": Door("POST", f"/consents/{consent}/events", none, {}, b'{"kind":"refused"}'),
        "withdrawConsent": Door("POST", f"/consents/{consent}/withdrawals", OF_SCHOOL, {}, b'{"by":"parent"}'),
        "listConsentNotices": Door("GET", "/consent-notices", KNOWN),
        "answerConsentNotice": Door("POST", f"/consent-notices/{consent}/answer", none, {}, b'{"outcome":"erased"}'),
        "sendConsentedRecord": Door("POST", "/consented-records", OF_SCHOOL, {}, json.dumps(record).encode()),
        "readConsentedRecords": Door("GET", "/consented-records", KNOWN),
        "readPartyKeys": Door("GET", f"/parties/{CARE}/keys", ALL),
        "askDecision": Door("POST", "/decisions", none, {}, question),
        "requestAccess": Door("POST", "/access-requests", officers | {"school-person"}, {}, access),
        "readCheckpoint": Door("GET", "/audit/checkpoint", ALL),
        "listLogs": Door("GET", "/audit/logs", ALL),
        "readLogPolicy": Door("GET", "/audit/policy", ALL),
        "continueFromCheckpoint": Door("POST", "/audit/continuation", ALL, {}, b"x"),
        "readInclusionProof": Door("GET", "/audit/proofs/inclusion", ALL, leaf),
        "readConsistencyProof": Door("GET", "/audit/proofs/consistency", ALL, {"old": "1", "new": "2"}),
        "readTile": Door("GET", "/audit/tiles/1/0/000", ALL),
        "listEntries": Door("GET", "/audit/entries", officers, filters),
        "reportOnLog": Door("GET", "/audit/report", officers, filters),
        "exportLog": Door("GET", "/audit/export", officers),
        "listPurposes": Door("GET", "/purposes", ALL),
        "listCollections": Door("GET", "/collections", ALL),
        "readServiceKeys": Door("GET", "/service-keys", ALL),
    }


def knock(house: House, door: Door, caller: str) -> httpx.Response:
    return house.callers[caller].request(door.method, f"/v1{door.path}", params=dict(door.params), content=door.body)
