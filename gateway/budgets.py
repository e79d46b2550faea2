"""What the ledger of privacy budgets keeps, as SQLModel tables beside those of `store`; spending is never erased."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import CheckConstraint
from sqlmodel import SQLModel

from gateway.store import column


class BudgetAccount(SQLModel, table=True):
    """A privacy budget and what was spent of it, in millionths of rho or epsilon; the database keeps it within its cap.

    Accounts are of a collection, period and purpose, or of a population and school year; they are never emptied.
    """

    __tablename__ = "budget_account"
    __table_args__ = (CheckConstraint("spent >= 0 AND spent <= cap", name="ck_budget_account_cap"),)
    name: str = column("public", primary_key=True)
    mechanism: str = column("public")  # gaussian counts in rho, laplace in epsilon: they do not add up
    cap: int = column("public")
    spent: int = column("public", default=0)


class SpendState(StrEnum):
    """What is reserved counts as spent; noise is drawn once, and its answers are kept before anybody sees them.

    They are kept for a build that has to go on where it stopped, and erased when it is stored or given up.
    """

    RESERVED = "reserved"
    DRAWING = "drawing"
    DRAWN = "drawn"


class BudgetSpend(SQLModel, table=True):
    """What one release spends on one population, on disk before any noise is drawn; never given back.

    Its noise is drawn as it was paid for, whatever the purpose file of a worker says by then.
    """

    __tablename__ = "budget_spend"
    release_id: str = column("operational", primary_key=True)  # no foreign key: the ledger outlives releases
    population: str = column("public", primary_key=True)
    school_year: str = column("public")
    asked: int = column("public")
    noise: str = column("public")  # `[release.noise]` as JSON
    state: str = column("operational", default=SpendState.RESERVED)
    answers: bytes = column("operational", default=b"")  # noisy answers and public head-counts, no exact figure


class YearMethod(SQLModel, table=True):
    """How figures of one population leave in one school year: exact and suppressed, or with noise; never both."""

    __tablename__ = "year_method"
    population: str = column("public", primary_key=True)
    school_year: str = column("public", primary_key=True)
    method: str = column("public")


class Restoration(SQLModel, table=True):
    """A restore: what was drawn and published between its backup and its settling is not known here."""

    __tablename__ = "restoration"
    settled_at: datetime = column("operational", primary_key=True)
    known_until: datetime = column("operational")  # of the newest entry that came back: the moment of the backup


class ReleasedSince(SQLModel, table=True):
    """The operator's word, after a restore, on a school year: what was published of it since the backup."""

    __tablename__ = "released_since"
    school_year: str = column("public", primary_key=True)
    told_at: datetime = column("operational")
    periods: str = column("public")  # codes joined by a space; those of earlier restores stay
