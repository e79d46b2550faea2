"""The pseudonym service after its folder or its database was restored: what the backup does not know is made true.

Its log may have signed what the backup does not hold, and schools may have used what the backup says is left. So the
log goes on under a new name and the quotas are used up, as the gateway's log and its privacy budgets are (`backup`).
"""

from dataclasses import dataclass
from datetime import date
from operator import attrgetter

from audit.entry import Entry
from audit.events import Event
from gateway.context import wall_clock
from gateway.messages import MendableError
from gateway.pseudonyms import Service
from policies.days import local_day
from pseudonymisation.errors import KeyringError
from pseudonymisation.keyring import Keyring, KeyState
from pseudonymisation.service import (
    EVALUATION,
    RegisteredSite,
    base_quota,
    close_year,
    reading,
    register_serial,
    use_up,
)


@dataclass(frozen=True, slots=True)
class Settled:
    """What holds after it: the log's name, the school years whose quotas are used up, and of how many sites."""

    origin: str
    years: tuple[str, ...]
    sites: int


def settle(service: Service) -> Settled:
    """Settle a restored service whose process does not run, with the newest keys and a register of after the backup.

    Steps, completed by running them again: (1) register and keys are looked at; (2) the answers of school years that
    were closed are erased, for they may have come back; (3) the entry, and quotas of school years whose key is in use
    are used up; (4) the log goes on under a new name.

    Raises:
        MendableError: the register is missing, not the gateway's or no newer than the last one that was used, or there
            are keys that do not open; nothing was changed.
    """
    sites = _newer_register(service)  # (1)
    _demand_open(service)
    for year in _years(service.keyring, KeyState.DESTROYED):  # (2)
        close_year(service.engine, service.append, service.keyring, year)
    years = _years(service.keyring, KeyState.ACTIVE, in_use=local_day(wall_clock()))
    with service.engine.begin() as connection:  # (3)
        service.log.log.append(connection, Entry(event=Event.BACKUP_RESTORED, actor=service.log.actor))
        for year in years:
            use_up(connection, year, {site.site: base_quota(site.pupils) for site in sites})
    return Settled(service.log.yearly.take_over(), years, len(sites))  # (4)


def _newer_register(service: Service) -> tuple[RegisteredSite, ...]:
    """The sites of the register, which knows who came and which tokens were revoked since the backup."""
    register = service.registers()()
    with reading(service.engine).connect() as connection:
        if register.serial <= register_serial(connection):
            raise MendableError("register-of-backup", file=service.register_file)
    return register.sites


def _demand_open(service: Service) -> None:
    """Refuse keys of another time than their key-encryption key: newer copies of both may open them."""
    away = 0
    for record in service.keyring.records():
        try:
            if record.state is not KeyState.DESTROYED:
                service.keyring.secret(record.key_id)
        except KeyringError:
            away += 1
    if away:
        raise MendableError("service-keys-away", folder=service.log.home.keys, keys=away)


def _years(keyring: Keyring, state: KeyState, *, in_use: date | None = None) -> tuple[str, ...]:
    """The school years with an evaluation key in a state; of those whose key is in use on a day, if one is given."""
    return tuple(
        record.school_year
        for record in sorted(keyring.records(), key=attrgetter("not_before"))
        if record.purpose == EVALUATION and record.state is state and record.school_year is not None
        if in_use is None or record.not_before <= in_use < record.not_after
    )
