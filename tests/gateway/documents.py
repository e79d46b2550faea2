"""Documents of records made with a local key, which only an exercise accepts."""

import base64
import hashlib
import json
from collections.abc import Sequence

from gateway.collections import Contract
from gateway.synthetic.pupils import Pupils, count
from pseudonymisation.pseudonym import UNSAFE_KEYED_LOCAL


def records_document(
    pupils: Pupils,
    contract: Contract,
    *,
    site: str,
    period: str,
    pseudonyms: Sequence[str] = (),
    key_id: str = UNSAFE_KEYED_LOCAL,
) -> bytes:
    """A document of records; with local pseudonyms, which only an exercise accepts, or those given."""
    names = pseudonyms or [local_pseudonym(number, site.encode()) for number in pupils.numbers.tolist()]
    records = [
        {
            "pseudonym": name,
            "subdivision": pupils.subdivisions[pupils.subdivision[i]],
            "hours_scheduled": int(pupils.scheduled[i]) / 100,
            "hours_authorised": int(pupils.authorised[i]) / 100,
            "hours_unauthorised": int(pupils.unauthorised[i]) / 100,
        }
        for i, name in enumerate(names)
    ]
    illness = [
        {"subdivision": subdivision, "band": band, "pupils": n}
        for subdivision, _, band, n in count(pupils, contract, ["illness"])
    ]
    about = {"collection": contract.collection.id, "site": site, "period": period, "key_id": key_id}
    return json.dumps({**about, "records": records, "illness_counts": illness}).encode()


def local_pseudonym(number: int, key: bytes) -> str:
    """A 64-byte keyed hash in place of the blind pseudonym, base64url: for generated pupils in tests only."""
    digest = hashlib.blake2b(str(number).encode(), key=key, digest_size=64).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
