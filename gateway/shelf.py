"""What is kept for those who look at the gateway's work, as SQLModel tables beside those of `store`: laws and views."""

from datetime import datetime

from sqlmodel import SQLModel

from gateway.store import column


class SavedView(SQLModel, table=True):
    """Filters of the timeline that an officer keeps under a name."""

    __tablename__ = "saved_view"
    id: int | None = column("operational", default=None, primary_key=True)
    person_id: int = column("personal", foreign_key="person.id", index=True)
    name: str = column("personal")
    query: str = column("operational")  # the filters as in the address of the page


class LawVersion(SQLModel, table=True):
    """The law from the moment a process first worked with it: the register of processing of that moment, as JSON."""

    __tablename__ = "law_version"
    id: int | None = column("operational", default=None, primary_key=True)
    sha256: str = column("public", index=True)
    since: datetime = column("public")
    document: str = column("public")
