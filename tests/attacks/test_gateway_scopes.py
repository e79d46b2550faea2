"""Somebody with a stolen token of a small scope: each operation opens to the scopes it is in the table with."""

from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from gateway.demo.people import must
from gateway.identity import SCOPES

from .house import CARE, House

EVERY = frozenset(SCOPES)
SUBMIT, DOWNLOAD, CONSENT, AUDIT = ({scope, "all"} for scope in ("submit", "download", "consent", "audit"))
NO_MACHINE: frozenset[str] = frozenset()
# What needs no scope is public, or a question about oneself, or closed to machines by the law whatever their scope.
WITHIN = {
    "submit": SUBMIT, "listSubmissions": SUBMIT, "readSubmission": SUBMIT, "readReceipt": SUBMIT, "readReport": SUBMIT,
    "confirmSubmission": SUBMIT, "withdrawSubmission": SUBMIT, "changeNumbers": SUBMIT,
    "downloadTable": DOWNLOAD, "readDownloadReceipt": SUBMIT | DOWNLOAD,
    "listConsents": CONSENT, "registerConsent": CONSENT, "readConsent": CONSENT, "appendConsentEvent": CONSENT,
    "withdrawConsent": CONSENT, "listConsentNotices": CONSENT, "answerConsentNotice": CONSENT,
    "sendConsentedRecord": CONSENT, "readConsentedRecords": CONSENT,
    "listEntries": AUDIT, "reportOnLog": AUDIT, "exportLog": AUDIT,
    "buildRelease": NO_MACHINE, "approveRelease": NO_MACHINE, "publishRelease": NO_MACHINE,
    "withdrawRelease": NO_MACHINE, "requestAccess": NO_MACHINE,
    **dict.fromkeys((
        "listReleases", "readRelease", "readDictionary", "readCertificate", "readPartyKeys", "askDecision",
        "readCheckpoint", "listLogs", "readLogPolicy", "continueFromCheckpoint", "readInclusionProof",
        "readConsistencyProof", "readTile", "listPurposes", "listCollections", "readServiceKeys",
    ), EVERY),
}  # fmt: skip


@pytest.fixture(scope="module")
def machines(house: House) -> Iterator[dict[tuple[str, str], httpx.Client]]:
    """A token of each scope, of the school and of the recipient of its consent."""
    made = {}
    for party in (house.ids["code"], CARE):
        for scope in SCOPES:
            expires = house.site.world.gateway.clock() + timedelta(days=3650)
            token = must(house.site.world.desk.issue_token(party, scopes=[scope], expires_at=expires))
            headers = {"Authorization": f"Bearer {token}"}
            made[party, scope] = httpx.Client(base_url=house.site.url, headers=headers, timeout=60)
    yield made
    for client in made.values():
        client.close()


def test_the_table_of_scopes_is_complete(house: House) -> None:
    """Every operation has its scopes."""
    assert WITHIN.keys() == house.doors.keys()


def test_a_token_opens_nothing_outside_its_scope(house: House, machines: dict[tuple[str, str], httpx.Client]) -> None:
    """Outside its scope a token gets 403 at every operation of its own party; inside, the scope is never the reason."""
    wrong = []
    for name, door in house.doors.items():
        for (party, scope), client in machines.items():
            answer = client.request(door.method, f"/v1{door.path}", params=dict(door.params), content=door.body)
            kind = answer.json()["type"] if answer.headers["content-type"] == "application/problem+json" else ""
            if scope in WITHIN[name]:
                kept = kind != "/problems/scope"
            else:
                kept = answer.status_code in {400, 401, 403, 404} and (kind == "/problems/scope" or not WITHIN[name])
            if not kept:
                wrong.append(f"{name} by {scope} of {party}: {answer.status_code} {kind}")
    assert not wrong
