"""Parents, through their school: consent that hours of illness go to the youth health service, its end, and access."""

from dataclasses import dataclass, field
from datetime import date
from hashlib import sha256

from joserfc import jwe

from .door import Door, expect
from .schools import CHANGES_FROM, Habit, Schools, new_number
from .stage import CARE, Stage, log_in

MOST = 25  # families a period


@dataclass
class Families:
    """What families asked in the year, and what they got.

    Attributes:
        consents: Ids of consents that hold; `withdrawn` those that were withdrawn.
        accesses: Access requests that were answered, every row as it should be.
    """

    stage: Stage
    schools: Schools
    door: Door
    periods: tuple[int, ...]
    consents: list[str] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    accesses: int = 0
    _school: dict[str, int] = field(default_factory=dict, repr=False)

    def live(self, number: int) -> None:
        """A period: families consent, the school sends hours under it, some withdraw, some ask what is held."""
        count = min(MOST, max(1, len(self.schools.sites) // 20))
        indexes = [(number + 4 * place) % len(self.schools.sites) for place in range(count)]
        before = len(self.consents)
        for index in indexes:
            self._consent(index, number)
        for consent in self.consents[before::2]:
            self._withdraw(consent)
        self._read()
        for index in [index for index in range(len(self.schools.sites)) if self.schools.sends_records(index)][:count]:
            self._ask_access(index, number)

    def _token(self, index: int) -> str:
        return self.stage.tokens[self.schools.sites[index].code]

    def _consent(self, index: int, number: int) -> None:
        today = self.stage.gateway.today
        terms = {
            "purpose": "care-with-consent", "recipient": CARE, "recipient_is": "youth_health_care",
            "scope": ["illness_hours", "case_reference"], "first_day": today.isoformat(),
            "last_day": date(int(self.stage.year[5:]), 7, 31).isoformat(), "notice": "v1", "language": "nl",
            "age_group": "under-12",
        }  # fmt: skip
        evidence = sha256(f"{index}-{number}".encode()).hexdigest()
        signature = {"giver": "parent", "date": today.isoformat(), "evidence": evidence}
        asked = {"terms": terms, "signatures": [signature]}
        made = expect(self.door.ask("POST", "/v1/consents", self._token(index), json=asked), 201).json()["id"]
        header = {"alg": "ECDH-ES+A256KW", "enc": "A256GCM", "kid": "care-key-of-the-year"}
        record = {
            "consent": made,
            "reference": jwe.encrypt_compact(header, f"dossier {index}".encode(), self.stage.care_key),
            "data": {"period": self.stage.period(number), "hours_illness": "31.5", "hours_scheduled": "235"},
        }
        expect(self.door.ask("POST", "/v1/consented-records", self._token(index), json=record), 201)
        self.consents.append(made)
        self._school[made] = index

    def _withdraw(self, consent: str) -> None:
        path = f"/v1/consents/{consent}/withdrawals"
        expect(self.door.ask("POST", path, self._token(self._school[consent]), json={"by": "parent"}), 201, 409)
        self.withdrawn.append(consent)

    def _read(self) -> None:
        """The youth health service reads what still holds: nothing under a consent that was withdrawn."""
        records = expect(self.door.ask("GET", "/v1/consented-records", self.stage.tokens[CARE]), 200).json()
        read = {record["consent"] for record in records}
        if read & set(self.withdrawn) or set(self.consents) - set(self.withdrawn) - read:
            raise RuntimeError("the youth health service does not read exactly what holds")

    def _ask_access(self, index: int, number: int) -> None:
        """A parent asks what is held: the rows of every period so far, also under the number of before."""
        changed = self.schools.changes_number(index) and number >= CHANGES_FROM
        pupil = new_number(index) if changed else int(self.schools.pupils(index, number).numbers[0])
        body = {"schoolYear": self.stage.year, "pseudonym": self.schools.pseudonym(pupil)}
        school = log_in(self.stage, self.door, self.schools.sites[index].code, "school", "/school")
        held = expect(school.ask("/v1/access-requests", body), 200).json()
        away = (Habit.AWAY, Habit.LATE)
        due = [one for one in self.periods if one <= number and self.schools.habit(index, one) not in away]
        if sorted(row["period"] for row in held["rows"]) != [self.stage.period(one) for one in due]:
            raise RuntimeError("an access request did not get the rows that are held")
        self.accesses += 1
