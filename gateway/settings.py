"""Settings of one deployment: a small file in its data folder, and the environment that names folder and database.

```
data/
  gateway.toml       this file's format: `Settings`
  witnesses.txt      who cosigns the log, where somebody does: `gateway.witnesses`
  former-receipts.txt  keys of receipts that were renewed, as the policy of before the renewal: `gateway.witnesses`
  gateway.sqlite     the embedded default database
  keys/              0700: receipt and log keys, the log's name, key-encryption keys, ring/ and consents/
  pseudonym/         the pseudonym service's own folder, when it runs here
```
"""

import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gateway.messages import MendableError, places_of
from policies.purpose import InForce
from policies.release import Method, Sector
from pseudonymisation.private_file import make_private

DATA_VARIABLE = "VERZUIMPOORT_DATA"
DATABASE_VARIABLE = "VERZUIMPOORT_DATABASE"
TOKEN_VARIABLE = "VERZUIMPOORT_TOKEN"  # noqa: S105  the name of a variable, not a secret
SERVICE_TOKEN_VARIABLE = "VERZUIMPOORT_SERVICE_TOKEN"  # noqa: S105  the same; of the pseudonym service
TOKEN_FORM = re.compile(r"vp_([0-9a-f]{32})_([A-Za-z0-9_-]{43})")  # of the gateway: row and secret
PUBLIC_PER_MINUTE = 600
SETTINGS_FILE, WITNESSES_FILE, FORMER_RECEIPTS_FILE = "gateway.toml", "witnesses.txt", "former-receipts.txt"


class SettingsError(MendableError):
    """The settings file or the environment is wrong: names the key and the fix."""


class OpenId(BaseModel):
    """The OpenID Connect provider of the people who work with this gateway; `[openid]` in `gateway.toml`.

    Attributes:
        issuer: Its identifier, from which its configuration is found.
        client_id: What the provider calls this gateway.
        secret: File (0600) with the client's secret, relative to the data folder.
        party_claim: Claim of the ID token with the code of the person's organisation.
        role_claim: Claim with the person's roles at the provider, a text or a list.
        label_claim: Claim shown to the person's own organisation, such as a name.
        roles: Role here by role at the provider.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    issuer: str = Field(pattern=r"^(https://|http://(127\.0\.0\.1|localhost)[:/])\S+$")
    client_id: str
    secret: Path
    party_claim: str = "organisation"
    role_claim: str = "roles"
    label_claim: str = "name"
    roles: Mapping[str, str]


class Pkcs11(BaseModel):
    """A PKCS#11 token that holds the key-encryption key in place of a file; `[pkcs11]` in `gateway.toml`.

    Attributes:
        module: The token's library, such as `/usr/lib/softhsm/libsofthsm2.so`.
        token: Label of the token.
        pin: File (0600) with the user's PIN, relative to the folder whose `keys/` it is about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    module: Path
    token: str
    pin: Path


class Settings(BaseModel):
    """What the operator decides, as written in `gateway.toml`.

    Attributes:
        base_url: Where people and machines reach this gateway; `https` decides whether cookies are `Secure`.
        operator: Code of the party that runs this gateway.
        service_operator: Code of the party that runs the pseudonym service.
        unsafe_single_operator: Both are one party and real periods are wanted all the same.
        contact: E-mail address for questions and reports, on the pages and in `security.txt`.
        log_name: Name of the audit log in its checkpoints, before the school year; else that of the host of `base_url`.
            `init` fixes it, in `keys/log.name`: receipts are signed under it too.
        purposes: Folders of further purpose files.
        collections: Folders of further contract files.
        in_force: Proposed purposes the operator has set in force, with day and citation.
        methods: Per sector `exact` or `dp`, where it is not as the purpose files say.
        service_url: Where the demo starts its pseudonym service; elsewhere its operator tells schools the address.
        proxies: Addresses of the reverse proxies whose `Client-Cert` header is believed; none by default.
        requests_per_minute: How often the machines of one party may ask, in each server process.
        public_per_minute: How often the public, all of it together, may fetch figures in each server process, and how
            often people go to the provider, or come back, or checkpoints be compared: the log keeps entries for years.
        proven_minutes: For how long after proving who it is, by link or to the sign-in service where that says when, a
            person may publish and hand out credentials.
        processes: How many processes beside the worker search the regions of a table; 1: the worker does it alone.
        cluster: Scheduler of a Dask cluster that does it instead. Its workers see confidential counts: `tls://`, with
            the certificates of Dask's own configuration, or `tcp://` on this machine.
        traces: URL of an OpenTelemetry collector that gets a span for each request; none by default.
        openid: The OpenID Connect provider through which people log in, where there is one.
        pkcs11: The token that holds the key-encryption key; a file in the data folder without it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    base_url: str = Field(default="http://127.0.0.1:8000", pattern=r"^https?://[^/\s]+$")
    operator: str = Field(default="ORG-POORT", pattern=r"^ORG-[A-Z0-9-]+$")
    service_operator: str = Field(default="ORG-POORT", pattern=r"^ORG-[A-Z0-9-]+$")
    unsafe_single_operator: bool = False
    contact: str = Field(default="beheer@verzuimpoort.example", pattern=r"^[^@\s]+@[^@\s]+$")
    log_name: str = Field(default="", pattern=r"^([a-z0-9.-]+(/[a-z0-9.-]+)*)?$")
    purposes: tuple[Path, ...] = ()
    collections: tuple[Path, ...] = ()
    in_force: tuple[InForce, ...] = ()
    methods: dict[Sector, Method] = Field(default_factory=dict)
    service_url: str = Field(default="http://127.0.0.1:8001", pattern=r"^https?://[^/\s]+$")
    proxies: tuple[str, ...] = ()
    requests_per_minute: int = Field(default=6_000, ge=1)
    public_per_minute: int = Field(default=PUBLIC_PER_MINUTE, ge=1)
    proven_minutes: int = Field(default=15, ge=1, le=480)
    processes: int = Field(default=1, ge=1, le=64)
    cluster: str = Field(default="", pattern=r"^(tls://[^/\s]+|tcp://(127\.0\.0\.1|localhost):[0-9]+)?$")
    traces: str = Field(default="", pattern=r"^(https?://\S+)?$")
    openid: OpenId | None = None
    pkcs11: Pkcs11 | None = None

    @property
    def proven_for(self) -> timedelta:
        """For how long a proof of who one is holds for grave acts."""
        return timedelta(minutes=self.proven_minutes)

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
        return self.folder / SETTINGS_FILE


def database_url(file: Path) -> str:
    """URL of the embedded default: a SQLite file."""
    return f"sqlite:///{file}"


def home(data: Path | None) -> Home:
    """The data folder of the command line or the environment, and the database that goes with it.

    Raises:
        SettingsError: neither names a folder, or it is another user's.
    """
    folder = data or (Path(os.environ[DATA_VARIABLE]) if DATA_VARIABLE in os.environ else None)
    if folder is None:
        raise SettingsError("no-data-folder", variable=DATA_VARIABLE)
    demand_owner(folder)
    url = os.environ.get(DATABASE_VARIABLE) or database_url(folder.absolute() / "gateway.sqlite")
    return Home(folder.absolute(), url)


def demand_owner(folder: Path) -> None:
    """Refuse to work in another user's data folder: what root writes there stops the processes that read it.

    Raises:
        SettingsError: says whose it is; a folder that is not there yet is nobody's.
    """
    if os.name != "posix" or not folder.exists() or folder.stat().st_uid == os.geteuid():
        return
    owner = f"#{folder.stat().st_uid}"
    with suppress(KeyError):  # a user without a name
        owner = folder.owner()
    raise SettingsError("wrong-user", folder=folder, owner=owner)


def hand_on(where: Home) -> None:
    """Name the deployment in the environment, for processes that this one starts."""
    os.environ[DATA_VARIABLE], os.environ[DATABASE_VARIABLE] = str(where.folder), where.database


def read_settings(where: Home) -> Settings:
    """Read `gateway.toml`; relative folders in it count from the folder it stands in.

    Raises:
        SettingsError: missing, not UTF-8, not TOML, an unknown key or a wrong value.
    """
    try:
        raw = tomllib.loads(where.settings_file.read_text(encoding="utf-8-sig"))
        settings = Settings.model_validate(raw)
    except FileNotFoundError as error:
        raise SettingsError("no-settings", file=where.settings_file, folder=where.folder) from error
    except UnicodeDecodeError as error:
        raise SettingsError("file-encoding", file=where.settings_file) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError("settings-wrong", file=where.settings_file, places=error) from error
    except ValidationError as error:
        raise SettingsError("settings-wrong", file=where.settings_file, places=places_of(error)) from error
    return settings.model_copy(
        update={
            "purposes": tuple(where.folder / folder for folder in settings.purposes),
            "collections": tuple(where.folder / folder for folder in settings.collections),
            "openid": _with_place(settings.openid, where.folder),
        }
    )


def write_settings(where: Home, settings: Settings) -> None:
    """Write `gateway.toml` for a new deployment; one that exists is left alone."""
    apart = {"in_force", "openid", "pkcs11"}
    lines = [f"{name} = {_toml(value)}" for name, value in settings.model_dump(exclude=apart).items()]
    for name, part in (("openid", settings.openid), ("pkcs11", settings.pkcs11)):
        if part is not None:
            lines += ["", f"[{name}]", *(f"{key} = {_toml(value)}" for key, value in part.model_dump().items())]
    for word in settings.in_force:
        lines += ["", "[[in_force]]"]
        lines += [f"{name} = {_toml(value)}" for name, value in word.model_dump().items()]
    where.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    make_private(where.settings_file, ("\n".join(lines) + "\n").encode())


def _with_place(openid: OpenId | None, folder: Path) -> OpenId | None:
    return openid and openid.model_copy(update={"secret": folder / openid.secret})


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_toml(name)} = {_toml(part)}' for name, part in value.items())} }}"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_toml, value))}]"
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
