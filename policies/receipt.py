"""What the giver of a consent takes home: a receipt in the terms of ISO/IEC TS 27560 and the W3C's DPV.

It names no pupil: the school joins it to its own evidence. A receipt is a copy of the record and changes nothing.
"""

from policies.consent import Signature, Stage, State, Terms
from policies.errors import PolicyError
from policies.law import Law
from policies.purpose import Purpose
from policies.register import Json
from policies.vocabulary import Vocabulary

SCHEMA = "https://w3id.org/dpv/schema/iso-27560#receipt-full"
_CONTEXT = {
    "dpv": "https://w3id.org/dpv#",
    "eu-gdpr": "https://w3id.org/dpv/legal/eu/gdpr#",
    "dct": "http://purl.org/dc/terms/",
    "loc": "https://w3id.org/dpv/loc#",
}
_STATUS = {
    Stage.ASKED: "dpv:ConsentRequested",
    Stage.REFUSED: "dpv:ConsentRefused",
    Stage.GIVEN: "dpv:ConsentGiven",
    Stage.UNCONFIRMED: "dpv:ConsentRequestDeferred",
    Stage.WITHDRAWN: "dpv:ConsentWithdrawn",
    Stage.EXPIRED: "dpv:ConsentExpired",
}


def receipt(
    law: Law, *, consent: str, state: State, site: str, signatures: tuple[Signature, ...] = (), withdraw_at: str
) -> Json:
    """The receipt of a consent as it stands.

    Args:
        law: for the words and the legal basis of the purpose.
        consent: id of the consent, and so of the record.
        state: the consent after its last event.
        site: code of the school that holds the evidence.
        signatures: who consented; role and day go in, the commitment to the evidence too, so that it can be checked.
        withdraw_at: the one address, or the words for the one place, where it is withdrawn.

    Raises:
        PolicyError: nothing was asked, so there is nothing to receive a receipt for.
    """
    if state.terms is None or state.last is None:
        raise PolicyError("a receipt is about a consent that was asked")
    return {
        "@context": _CONTEXT,
        "@type": "dpv:ConsentReceipt",
        "dct:identifier": f"{consent}-{state.number}",
        "dct:conformsTo": SCHEMA,
        "dct:created": state.last.isoformat(timespec="milliseconds"),
        "dpv:hasRecordOfActivity": {
            "@type": "dpv:ConsentRecord",
            "dct:identifier": consent,
            "dpv:hasConsentStatus": _STATUS[state.stage],
            **_parties_and_terms(site, state.terms, law),
            "dpv:isIndicatedBy": [signature.model_dump(mode="json") for signature in signatures],
            "dpv:hasWithdrawal": {"dct:identifier": withdraw_at},
        },
    }


def _parties_and_terms(site: str, terms: Terms, law: Law) -> Json:
    purpose = law.purposes[terms.purpose]
    return {
        "dpv:hasDataController": [site, terms.recipient],
        "dpv:hasDataProcessor": purpose.processor.model_dump() if purpose.processor else None,
        "dpv:hasJurisdiction": "loc:NL",
        "dpv:hasApplicableLaw": "eu-gdpr:GDPR",
        "dpv:hasLegalBasis": "eu-gdpr:A9-2-a",
        "dpv:hasNotice": {"dct:identifier": terms.notice, "dct:language": terms.language},
        "dpv:hasProcess": _process(terms, purpose, law.vocabulary),
    }


def _process(terms: Terms, purpose: Purpose, words: Vocabulary) -> Json:
    return {
        "dpv:hasPurpose": {"dct:identifier": purpose.id, **purpose.title.model_dump()},
        "dpv:hasPersonalData": [
            {
                "@type": "dpv:SpecialCategoryPersonalData" if data.health else "dpv:PersonalData",
                "dct:identifier": data.value,
                **words.value(data.value).model_dump(),
            }
            for data in sorted(terms.scope)
        ],
        "dpv:hasRecipient": terms.recipient,
        "dpv:hasDuration": {"first_day": terms.first_day.isoformat(), "last_day": terms.last_day.isoformat()},
        "dpv:hasStorageCondition": {"dpv:StorageDeletion": "key destroyed on withdrawal or after the last day"},
        "dpv:hasRight": ["eu-gdpr:A7-3", "eu-gdpr:A15", "eu-gdpr:A16", "eu-gdpr:A17", "eu-gdpr:A77"],
    }
