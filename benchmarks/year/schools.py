"""What the schools do in a period: most deliver at once, some err, correct, withdraw, come late or stay away."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path

import httpx

from gateway.collections import Contracts
from gateway.demo.deliveries import COUNTS, RECORDS, document_of
from gateway.synthetic.export import counts_csv
from gateway.synthetic.pupils import Pupils, draw_pupils
from gateway.synthetic.region import Region, Site
from pseudonymisation import client
from pseudonymisation.domain import number_input, service_info
from pseudonymisation.number import Number, parse_number
from pseudonymisation.oprf import known_output
from pseudonymisation.pseudonym import pseudonym_text
from tests.gateway.documents import records_document

SEED = 7
OTHER_YEAR = 10  # a file of a period that never was: what a school sends by mistake
CHANGES_FROM = 3  # numbers change between the second and the third period


class Habit(StrEnum):
    """How a school behaves in a period."""

    USUAL = "usual"
    ERRS = "errs"
    CORRECTS = "corrects"
    WITHDRAWS = "withdraws"
    LATE = "late"
    CORRECTS_LATE = "corrects late"
    AWAY = "away"


_TURNS = (*[Habit.ERRS] * 3, Habit.CORRECTS, Habit.WITHDRAWS, Habit.LATE, Habit.CORRECTS_LATE, Habit.AWAY)


@dataclass(frozen=True)
class Key:
    """The service's key of the school year: what only the service has, here for its own direct evaluation."""

    key_id: str
    year: str
    seed: bytes = field(repr=False)

    def pseudonym(self, number: int) -> str:
        """What the service and a school would find together for a number."""
        return pseudonym_text(known_output(self.seed, service_info(self.year), number_input(f"{number:09d}")))


@dataclass(frozen=True)
class Schools:
    """All schools of a run.

    Attributes:
        records_every: One school in so many delivers records, the others counts.
        turns: After how many schools the habits begin anew.
        http: Site → a client of the real pseudonym service, for the sample of sites that goes through it.
    """

    region: Region
    contracts: Contracts
    key: Key
    records_every: int
    turns: int
    exact: frozenset[str]
    http: Mapping[str, httpx.Client] = field(default_factory=dict, repr=False)
    _known: dict[int, str] = field(default_factory=dict, repr=False)

    @property
    def sites(self) -> tuple[Site, ...]:
        """Every site."""
        return self.region.sites

    def sends_records(self, index: int) -> bool:
        """Whether a site delivers records."""
        return index % self.records_every == 0

    def habit(self, index: int, number: int) -> Habit:
        """What a site does in a period; it comes late only with figures whose sector can be corrected."""
        turn = (index + 11 * number) % self.turns
        habit = _TURNS[turn] if turn < len(_TURNS) else Habit.USUAL
        late = habit in (Habit.LATE, Habit.CORRECTS_LATE)
        return Habit.USUAL if late and self.sites[index].sector not in self.exact else habit

    def pupils(self, index: int, number: int) -> Pupils:
        """The pupils of a site in a period; one of them has another number from the third on."""
        pupils = draw_pupils(self.sites[index], index=index, period=number, seed=SEED)
        if self.changes_number(index) and number % OTHER_YEAR >= CHANGES_FROM:
            numbers = pupils.numbers.copy()
            numbers[0] = new_number(index)
            return replace(pupils, numbers=numbers)
        return pupils

    def changes_number(self, index: int) -> bool:
        """Whether a pupil of a site gets another number during the year."""
        return index % (2 * self.records_every) == 0

    def form(self, index: int) -> str:
        """The collection a site delivers."""
        return RECORDS if self.sends_records(index) else COUNTS

    def file(self, index: int, number: int, period: str) -> bytes:
        """What a site delivers; `number` above ten is a file of another period, sent by mistake."""
        pupils, site = self.pupils(index, number), self.sites[index]
        if not self.sends_records(index):
            return counts_csv(pupils, self.contracts[COUNTS])
        if site.code in self.http:
            return self._through_the_service(site, pupils, period)
        names = [self.pseudonym(one) for one in pupils.numbers.tolist()]
        contract, key_id = self.contracts[RECORDS], self.key.key_id
        return records_document(pupils, contract, site=site.code, period=period, pseudonyms=names, key_id=key_id)

    def pseudonym(self, number: int) -> str:
        """Evaluated once a year."""
        if number not in self._known:
            self._known[number] = self.key.pseudonym(number)
        return self._known[number]

    def faulty(self, index: int, file: bytes) -> bytes:
        """The file as a careless school sends it: the last rows forgotten, or a field about health in it."""
        if self.sends_records(index):
            return file.replace(b'"hours_unauthorised"', b'"hours_illness"', 1)
        return b"\n".join(file.split(b"\n")[:-3])

    def number_changes(self, index: int, period: str) -> dict[str, object]:
        """The document by which a pupil goes on under another number."""
        old = self.pupils(index, CHANGES_FROM - 1).numbers[0]
        pair = {"old": self.pseudonym(int(old)), "new": self.pseudonym(new_number(index))}
        about = {"collection": "number-changes", "site": self.sites[index].code, "period": period}
        return {**about, "key_id": self.key.key_id, "changes": [pair]}

    @cached_property
    def folder(self) -> Path:
        """Where the clients of the sampled schools keep their caches."""
        return Path(tempfile.mkdtemp(prefix="verzuimpoort-schools-"))

    def _through_the_service(self, site: Site, pupils: Pupils, period: str) -> bytes:
        """The document that the school's own client makes with the service, blind."""
        http = self.http[site.code]
        key = client.pinned_key(http.get("/v1/keys").raise_for_status().content, period)
        if isinstance(key, client.Refusal):
            raise TypeError(f"the service has no key for this period: {key.code}")
        source = client.ServiceSource(http, key, period)
        return document_of(site, pupils, source, period=period, folder=self.folder, contract=self.contracts[RECORDS])


def new_number(index: int) -> int:
    """A number nobody has yet, at the end of what the site's pupils got theirs from."""
    for first8 in range(10_000_000 + (80_000_000 + index * 5_000) % 90_000_000 + 4_990, 99_999_999):
        for last in range(10):
            if isinstance(parse_number(f"{first8}{last}"), Number):
                return first8 * 10 + last
    raise ValueError("no number is left")
