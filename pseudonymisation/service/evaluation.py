"""One evaluation, from credential to answer.

Steps; nothing leaves before 7 is committed, and a crash anywhere is mended by sending the same batch again:

1. who asks, from the credential alone;
2. the body, strictly, all faults at once;
3. the key: in use, valid today, of the period's school year;
4. the same batch again: the stored answer, free;
5. the quota: is there room at all, before any work;
6. evaluate, with one proof, in a worker process;
7. one transaction: take from the quota, keep the answer, append the audit entry.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from sqlalchemy import Engine

from pseudonymisation.domain import school_year_of, service_info
from pseudonymisation.errors import MalformedError, SignatureError
from pseudonymisation.keyring import KeyRecord, Keyring, KeyState
from pseudonymisation.oprf import ELEMENT, is_element
from pseudonymisation.service.keys import EVALUATION
from pseudonymisation.service.problems import Problem, malformed, no_element
from pseudonymisation.service.quota import base_quota
from pseudonymisation.service.register import Register, RegisteredSite
from pseudonymisation.service.store import (
    Append,
    Usage,
    accept_register,
    charge,
    reading,
    register_serial,
    store_answer,
    stored_answer,
    usage,
)
from pseudonymisation.text64 import from_text
from pseudonymisation.wire import EvaluationRequest

Identify = Callable[[Mapping[str, Any]], str | None]
"""From an ASGI scope (headers, TLS) to the code of the site whose credential it carries, or None."""

_AMSTERDAM = ZoneInfo("Europe/Amsterdam")


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch that may be evaluated, if there is room when it is done."""

    site: str
    school_year: str
    key_id: str
    seed: bytes = field(repr=False)
    info: bytes
    elements: tuple[bytes, ...]
    digest: bytes
    base: int

    def left(self, spent: Usage) -> int:
        """What is left of the quota; below zero if a new register made it smaller."""
        return self.base + spent.granted - spent.used

    def fields(self) -> dict[str, Any]:
        """What the audit entry says: who, under which key, how many, and a digest of the blinded batch."""
        return {
            "site": self.site,
            "school_year": self.school_year,
            "key_id": self.key_id,
            "elements": len(self.elements),
            "batch": self.digest.hex(),
        }


@dataclass(frozen=True, slots=True)
class Answer:
    """Proof and evaluated elements, and what is left of the quota."""

    key_id: str
    answer: bytes
    remaining: int


@dataclass(slots=True)
class Desk:
    """What an evaluation needs besides the request.

    Attributes:
        engine: the service's database.
        keyring: its keys.
        registers: the register as it stands now.
        append: writes an audit entry on the connection of the act.
        clock: UTC.
        identify: from an ASGI scope to a site's code.
        accepted_serial: of the register this process worked with last.
    """

    engine: Engine
    keyring: Keyring
    registers: Callable[[], Register]
    append: Append
    clock: Callable[[], datetime]
    identify: Identify
    accepted_serial: int = 0

    def prepare(self, scope: Mapping[str, Any], body: bytes, *, english: bool) -> Batch | Answer | Problem:
        """Steps 1 to 5."""
        today = amsterdam_day(self.clock())
        # 1.
        register = self._register(today)
        if register is None:
            return Problem("register-outdated", {"retry_after": 60})
        site = register.site(self.identify(scope) or "", today)
        if site is None:
            return Problem("not-authenticated")
        # 2. and 3.
        batch = self._batch(site, body, today, english=english)
        if isinstance(batch, Problem):
            return self._refuse(site.site, batch)
        # 4. and 5.
        return self._known(batch) or batch

    def conclude(self, batch: Batch, answer: bytes) -> Answer | Problem:
        """Step 7; if another request was faster with the same batch or the last of the quota, steps 4 and 5 again.

        A key that went out of use while its batch waited or was evaluated gives no answer any more.
        """
        with self.engine.begin() as connection:
            spent = charge(connection, batch.site, batch.school_year, len(batch.elements), batch.base)
            kept = spent is not None and store_answer(
                connection, digest=batch.digest, site=batch.site, school_year=batch.school_year, key_id=batch.key_id,
                elements=len(batch.elements), answer=answer, now=self.clock(),
            )  # fmt: skip
            in_use = self._key_in_use(batch.key_id) is not None
            if spent is not None and kept and in_use:
                self.append(connection, "evaluation-answered", batch.fields())
                return Answer(batch.key_id, answer, batch.left(spent))
            connection.rollback()
        if not in_use:
            return self._refuse(batch.site, Problem("key-unknown"))
        return self._known(batch) or Problem("busy", {"retry_after": 1})

    def refuse_elements(self, batch: Batch, *, english: bool) -> Problem:
        """Step 6 met bytes that are no element: say which."""
        wrong = [index for index, element in enumerate(batch.elements) if not is_element(element)]
        return self._refuse(batch.site, no_element(wrong, english=english))

    def _register(self, today: date) -> Register | None:
        """The register, if it is there whole, signed, in date and none older than one that was used."""
        try:
            register = self.registers()
        except (SignatureError, OSError):
            return None
        return register if today < register.expires and self._accepted(register) else None

    def _accepted(self, register: Register) -> bool:
        """Never back to an older register, not even after a restart."""
        if register.serial == self.accepted_serial:
            return True
        with self.engine.begin() as connection:
            if accept_register(connection, register.serial):
                self.append(connection, "register-loaded", {"serial": register.serial, "operator": register.operator})
            accepted = register_serial(connection) == register.serial
        if accepted:
            self.accepted_serial = register.serial
        return accepted

    def _known(self, batch: Batch) -> Answer | Problem | None:
        with reading(self.engine).connect() as connection:
            # 4.
            answer = stored_answer(connection, batch.digest)
            left = batch.left(usage(connection, batch.site, batch.school_year))
        if answer is not None:
            return self._repeat(batch, answer, left)
        # 5.
        if len(batch.elements) > left:
            asked = {"remaining": max(left, 0), "asked": len(batch.elements)}
            return self._refuse(batch.site, Problem("quota-exhausted", asked))
        return None

    def _batch(self, site: RegisteredSite, body: bytes, today: date, *, english: bool) -> Batch | Problem:
        try:
            request = EvaluationRequest.model_validate_json(body)
        except ValidationError as error:
            return malformed(error, english=english)
        record = self._key_in_use(request.key_id)
        if record is None:
            return Problem("key-unknown")
        if (problem := _unfit(record, request.period, today)) is not None:
            return problem
        elements = []
        for index, text in enumerate(request.blinded):
            try:
                elements.append(from_text(text, ELEMENT))
            except MalformedError:
                return no_element([index], english=english)
        school_year = school_year_of(request.period)
        return Batch(
            site=site.site, school_year=school_year, key_id=record.key_id, seed=self.keyring.secret(record.key_id),
            info=service_info(school_year), elements=tuple(elements), base=base_quota(site.pupils),
            digest=sha256(f"{site.site}\0{record.key_id}\0".encode() + b"".join(elements)).digest(),
        )  # fmt: skip

    def _key_in_use(self, key_id: str) -> KeyRecord | None:
        record = self.keyring.record(key_id)
        evaluates = record is not None and record.purpose == EVALUATION and record.state is KeyState.ACTIVE
        return record if evaluates else None

    def _repeat(self, batch: Batch, answer: bytes, left: int) -> Answer:
        with self.engine.begin() as connection:
            self.append(connection, "evaluation-repeated", batch.fields())
        return Answer(batch.key_id, answer, left)

    def _refuse(self, site: str, problem: Problem) -> Problem:
        with self.engine.begin() as connection:
            self.append(connection, "evaluation-refused", {"site": site, "reason": problem.code})
        return problem


def amsterdam_day(moment: datetime) -> date:
    """The date in the Netherlands: validity runs in whole days there."""
    return moment.astimezone(_AMSTERDAM).date()


def _unfit(record: KeyRecord, period: str, today: date) -> Problem | None:
    if today < record.not_before:
        return Problem("key-not-active", {"not_before": record.not_before.isoformat()})
    if today >= record.not_after:
        return Problem("key-expired", {"not_after": record.not_after.isoformat()})
    try:
        fits = school_year_of(period) == record.school_year
    except MalformedError:
        fits = False
    return None if fits else Problem("period-outside-key", {"school_year": record.school_year or ""})
