"""Where new pseudonyms come from: the pseudonym service, checked against its pinned key; nothing when offline."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Protocol

import httpx
from pydantic import BaseModel, ValidationError

from pseudonymisation.client.messages import Refusal, refusal
from pseudonymisation.domain import school_year_of
from pseudonymisation.errors import MalformedError, ProofError, SignatureError
from pseudonymisation.key_document import ServiceKey, read_key_document
from pseudonymisation.oprf import ELEMENT, PROOF, Blinding, blind, finalise
from pseudonymisation.pseudonym import UNSAFE_KEYED_LOCAL, unsafe_keyed_local
from pseudonymisation.text64 import from_text, to_text
from pseudonymisation.wire import EvaluationAnswer

TRIES = 4
LONGEST_WAIT = 10.0
_AGAIN = {408, 429, 502, 503, 504}
_OUTDATED, _QUOTA = "/problems/register-outdated", "/problems/quota-exhausted"
_CODES = {401: "credential-refused", 403: "credential-refused", 404: "no-service-there", 405: "no-service-there"}


class _Problem(BaseModel):
    """What is read of a problem document; whatever else answers at that address has none of it."""

    type: str = ""
    remaining: int = 0
    not_before: date | None = None
    not_after: date | None = None


class Source(Protocol):
    """Turns inputs of the oblivious function into pseudonyms."""

    @property
    def key_id(self) -> str:
        """The key the pseudonyms are made with."""
        ...

    def evaluate(self, inputs: Sequence[bytes], *, missing: int) -> list[bytes] | Refusal:
        """One pseudonym of 64 bytes for each input, in order; `missing` is how many are still wanted in all."""
        ...


def pinned_key(document: bytes, period: str) -> ServiceKey | Refusal:
    """The key for a period, from the key file the school was given.

    Args:
        document: the file of `--service-key`.
        period: such as `2026-2027-1`.
    """
    try:
        school_year = school_year_of(period)
    except MalformedError:
        return refusal("period")
    try:
        key = read_key_document(document).for_school_year(school_year)
    except SignatureError:
        return refusal("key-file")
    return key or refusal("key-year", school_year=school_year)


class ServiceSource:
    """The pseudonym service.

    Args:
        http: has the address of the service, the credential and a time limit.
        key: the pinned key.
        period: what the pseudonyms are for.
        wait: waits so many seconds between tries.
    """

    def __init__(
        self, http: httpx.Client, key: ServiceKey, period: str, *, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._http = http
        self._key = key
        self._period = period
        self._wait = wait

    @property
    def key_id(self) -> str:
        """The id of the pinned key."""
        return self._key.key_id

    def evaluate(self, inputs: Sequence[bytes], *, missing: int) -> list[bytes] | Refusal:
        """Blind, ask, verify, unblind; a batch that got no answer is asked again unchanged, which costs nothing."""
        blinding = blind(inputs)
        body = {
            "key_id": self._key.key_id,
            "period": self._period,
            "blinded": [to_text(element) for element in blinding.elements],
        }
        response = self._ask(body)
        if response is None:
            return refusal("service-unreachable")
        if response.status_code != httpx.codes.OK:
            return _refused(response, missing)
        return self._verified(blinding, response.content)

    def _ask(self, body: Mapping[str, object]) -> httpx.Response | None:
        for attempt in range(TRIES):
            try:
                response = self._http.post("/v1/evaluations", json=body)
            except httpx.RequestError:
                pause = 0.5 * 2**attempt
            else:
                # Asking again in a moment brings the service no register and the school no quota.
                if response.status_code not in _AGAIN or _problem(response).type in {_OUTDATED, _QUOTA}:
                    return response
                pause = _retry_after(response) or 0.5 * 2**attempt
            if attempt < TRIES - 1:
                self._wait(min(pause, LONGEST_WAIT))
        return None

    def _verified(self, blinding: Blinding, content: bytes) -> list[bytes] | Refusal:
        try:
            answer = EvaluationAnswer.model_validate_json(content)
        except ValidationError:  # a page to log in to a network, for instance
            return refusal("no-service-there")
        try:
            raw = from_text(answer.proof, PROOF) + b"".join(from_text(one, ELEMENT) for one in answer.evaluated)
            return finalise(blinding, raw, self._key.public_key)
        except (MalformedError, ProofError):
            return refusal("proof-failed")


class OfflineSource:
    """No service: what is not in the cache is refused."""

    def __init__(self, key: ServiceKey) -> None:
        self.key_id = key.key_id

    def evaluate(self, inputs: Sequence[bytes], *, missing: int) -> list[bytes] | Refusal:  # noqa: ARG002  see `Source`
        """Always refused."""
        return refusal("offline-missing", missing=missing)


class _UnsafeLocal:
    """A plain keyed hash at the school."""

    key_id = UNSAFE_KEYED_LOCAL

    def __init__(self, key: bytes) -> None:
        self._key = key

    def evaluate(self, inputs: Sequence[bytes], *, missing: int) -> list[bytes] | Refusal:  # noqa: ARG002  see `Source`
        return unsafe_keyed_local(self._key, inputs)


def unsafe_local_source(key: bytes, *, exercise: bool) -> Source | Refusal:
    """A plain HMAC key at the school, for tests and exercises; whoever holds it can list every number.

    Args:
        key: 32 bytes.
        exercise: whether the period is an exercise; a real one is refused.
    """
    return _UnsafeLocal(key) if exercise else refusal("unsafe-local")


def _retry_after(response: httpx.Response) -> float | None:
    text = response.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _problem(response: httpx.Response) -> _Problem:
    try:
        return _Problem.model_validate_json(response.content)
    except ValidationError:
        return _Problem()


def _refused(response: httpx.Response, missing: int) -> Refusal:
    problem, status = _problem(response), response.status_code
    match problem:
        case _Problem(type=kind) if kind == _QUOTA:
            return refusal("quota-exhausted", remaining=problem.remaining, missing=missing)
        case _Problem(type=kind) if kind == _OUTDATED:
            return refusal("register-outdated")
        case _Problem(type="/problems/key-unknown"):
            return refusal("key-refused")
        case _Problem(type="/problems/key-not-active", not_before=date() as day):
            return refusal("key-not-yet", day=day.isoformat())
        case _Problem(type="/problems/key-expired", not_after=date() as day):
            return refusal("key-expired", day=day.isoformat())
        case _Problem(type="/problems/period-outside-key"):
            return refusal("key-other-year")
    if httpx.codes.is_server_error(status):
        return refusal("service-failed", status=status)
    return refusal(_CODES.get(status, "service-refused"), status=status)
