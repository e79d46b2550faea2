"""Settings of one deployment: a small file in its data folder, and the environment. The only place that reads either.

```
data/
  gateway.toml       this file's format: `Settings`
  gateway.sqlite     the embedded default database
  keys/              0700: receipt and log keys, key-encryption key, keyring/
  pseudonym/         the pseudonym service's own folder, when it runs here
```
"""

import os
import tomllib
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.outcome import GatewayError
from policies.purpose import InForce

DATA_VARIABLE = "VERZUIMPOORT_DATA"
DATABASE_VARIABLE = "VERZUIMPOORT_DATABASE"
TOKEN_VARIABLE = "VERZUIMPOORT_TOKEN"  # noqa: S105  the name of a variable, not a secret
_FILE = "gateway.toml"


class SettingsError(GatewayError):
    """The settings file or the environment is wrong: names the key and the fix."""


class Settings(BaseModel):
    """What the operator decides, as written in `gateway.toml`.

    Attributes:
        base_url: Where people and machines reach this gateway; `https` decides whether cookies are `Secure`.
        operator: Code of the party that runs this gateway.
        service_operator: Code of the party that runs the pseudonym service.
        unsafe_single_operator: Both are one party and real periods are wanted all the same.
        contact: E-mail address for questions and reports, on the pages and in `security.txt`.
        log_name: Name of the audit log in its checkpoints; the school year is put behind it.
        purposes: Folders of further purpose files.
        collections: Folders of further contract files.
        in_force: Proposed purposes the operator has set in force, with day and citation.
        service_url: Where schools reach the pseudonym service.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    base_url: str = Field(default="http://127.0.0.1:8000", pattern=r"^https?://[^/\s]+$")
    operator: str = Field(default="ORG-POORT", pattern=r"^ORG-[A-Z0-9-]+$")
    service_operator: str = Field(default="ORG-POORT", pattern=r"^ORG-[A-Z0-9-]+$")
    unsafe_single_operator: bool = False
    contact: str = Field(default="beheer@verzuimpoort.example", pattern=r"^[^@\s]+@[^@\s]+$")
    log_name: str = Field(default="verzuimpoort.example/audit", pattern=r"^[a-z0-9.-]+(/[a-z0-9.-]+)*$")
    purposes: tuple[Path, ...] = ()
    collections: tuple[Path, ...] = ()
    in_force: tuple[InForce, ...] = ()
    service_url: str = Field(default="http://127.0.0.1:8001", pattern=r"^https?://[^/\s]+$")

    @property
    def secure(self) -> bool:
        """Whether people reach the gateway over TLS."""
        return self.base_url.startswith("https://")


@dataclass(frozen=True, slots=True)
class Home:
    """Where a deployment keeps its things."""

    folder: Path
    database: str

    @property
    def keys(self) -> Path:
        """Folder of the gateway's keys."""
        return self.folder / "keys"

    @property
    def service(self) -> Path:
        """Folder of the pseudonym service, when it runs on this machine."""
        return self.folder / "pseudonym"

    @property
    def settings_file(self) -> Path:
        """The file `Settings` come from."""
        return self.folder / _FILE


def database_url(file: Path) -> str:
    """URL of the embedded default: a SQLite file."""
    return f"sqlite:///{file}"


def home(data: Path | None) -> Home:
    """The data folder of the command line or the environment, and the database that goes with it.

    Raises:
        SettingsError: neither names a folder.
    """
    folder = data or (Path(os.environ[DATA_VARIABLE]) if DATA_VARIABLE in os.environ else None)
    if folder is None:
        raise SettingsError(f"no data folder: give --data DIR or set {DATA_VARIABLE}")
    url = os.environ.get(DATABASE_VARIABLE) or database_url(folder.absolute() / "gateway.sqlite")
    return Home(folder.absolute(), url)


def hand_on(where: Home) -> None:
    """Name the deployment in the environment, for processes that this one starts."""
    os.environ[DATA_VARIABLE], os.environ[DATABASE_VARIABLE] = str(where.folder), where.database


def read_settings(where: Home) -> Settings:
    """Read `gateway.toml`; relative folders in it count from the folder it stands in.

    Raises:
        SettingsError: missing, not TOML, an unknown key or a wrong value.
    """
    try:
        raw = tomllib.loads(where.settings_file.read_text(encoding="utf-8"))
        settings = Settings.model_validate(raw)
    except FileNotFoundError as error:
        raise SettingsError(
            f"{where.settings_file} is missing: run `verzuimpoort init --data {where.folder}`"
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{where.settings_file}: {error}") from error
    except ValidationError as error:
        places = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"{where.settings_file}: {places}") from error
    return settings.model_copy(
        update={
            "purposes": tuple(where.folder / folder for folder in settings.purposes),
            "collections": tuple(where.folder / folder for folder in settings.collections),
        }
    )


def write_settings(where: Home, settings: Settings) -> None:
    """Write `gateway.toml` for a new deployment; one that exists is left alone."""
    if where.settings_file.exists():
        return
    lines = [f"{name} = {_toml(value)}" for name, value in settings.model_dump(exclude={"in_force"}).items()]
    for word in settings.in_force:
        lines += ["", "[[in_force]]"]
        lines += [f"{name} = {_toml(value)}" for name, value in word.model_dump().items()]
    where.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    where.settings_file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
