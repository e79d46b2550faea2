"""Where an answer leads: OpenAPI links, from what an operation gave back to the operations that take it further.

Whoever reads the document by machine, a client generator or a tester that walks from state to state, finds them there.
"""

from collections.abc import Mapping
from typing import Any

_ID, _FIRST = "$response.body#/id", "$response.body#/0/id"
_SUBMISSION = ("readSubmission", "readReceipt", "readReport", "confirmSubmission", "withdrawSubmission")
_RELEASE = (
    "readRelease", "approveRelease", "publishRelease", "withdrawRelease", "downloadTable", "readDictionary",
    "readCertificate",
)  # fmt: skip
_CONSENT = ("readConsent", "appendConsentEvent", "withdrawConsent")
# Operation and status of an answer → the parameter it gives, where in the answer it stands, and who takes it.
_LINKS: Mapping[tuple[str, str], tuple[str, str, tuple[str, ...]]] = {
    ("submit", "201"): ("submission_id", _ID, _SUBMISSION),
    ("listSubmissions", "200"): ("submission_id", _FIRST, _SUBMISSION),
    ("readSubmission", "200"): ("submission_id", _ID, _SUBMISSION[1:]),
    ("confirmSubmission", "200"): ("submission_id", _ID, ("readReceipt", "withdrawSubmission")),
    ("withdrawSubmission", "200"): ("submission_id", _ID, ("readSubmission", "confirmSubmission")),
    ("listReleases", "200"): ("release_id", _FIRST, _RELEASE),
    ("buildRelease", "202"): ("release_id", _ID, ("readRelease", "approveRelease")),
    ("approveRelease", "201"): ("release_id", _ID, ("approveRelease", "publishRelease")),
    ("publishRelease", "201"): ("release_id", _ID, ("downloadTable", "readCertificate", "withdrawRelease")),
    ("withdrawRelease", "201"): ("release_id", _ID, ("readRelease", "downloadTable")),
    ("listConsents", "200"): ("consent_id", _FIRST, _CONSENT),
    ("registerConsent", "201"): ("consent_id", _ID, _CONSENT),
    ("appendConsentEvent", "201"): ("consent_id", _ID, _CONSENT),
    ("withdrawConsent", "201"): ("consent_id", _ID, ("readConsent", "appendConsentEvent", "answerConsentNotice")),
    ("listConsentNotices", "200"): ("consent_id", "$response.body#/0/consent", ("answerConsentNotice",)),
    ("sendConsentedRecord", "201"): ("consent_id", "$response.body#/consent", ("readConsent", "withdrawConsent")),
    ("listLogs", "200"): ("log", "$response.body#/0/log", ("readTile",)),
}


def links_of(operation: str, status: str) -> dict[str, Any]:
    """The links of an answer, by name; empty for an answer that leads nowhere."""
    if (operation, status) not in _LINKS:
        return {}
    parameter, found, takers = _LINKS[operation, status]
    return {taker: {"operationId": taker, "parameters": {parameter: found}} for taker in takers}
