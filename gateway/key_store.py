"""Where key-encryption keys live: files of this deployment, or a PKCS#11 token that never shows them.

On a token each has a name of its own: what it wraps, and before that the name of the deployment. So none that share
one, such as gateway and pseudonym service of one operator, or a trial beside them, destroys another's.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.settings import Pkcs11
from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek, Kek
from pseudonymisation.private_file import make_private, read_private

if TYPE_CHECKING:
    from pseudonymisation.hsm import Pkcs11Kek

RING: Final = "ring"
NAME_FILE: Final = "token.name"
NAME: Final = 8  # bytes


def open_kek(name: str, file: Path, token: Pkcs11 | None) -> Kek:
    """The key-encryption key of this name.

    Raises:
        KeyringError: the file or the token is not there or cannot be opened, or holds no such key: says which.
    """
    if token is not None:
        kek = _token(name, file.parent, token)
        kek.current()
        return kek
    if not file.exists():
        raise KeyringError("kek-missing", path=file)
    return FileKek(file)


def make_kek(name: str, file: Path, token: Pkcs11 | None, branches: int = 1) -> None:
    """Make the key-encryption key where there is none yet; a token has one for all keys, whatever is asked."""
    if token is not None:
        kek = _token(name, file.parent, token)
        if kek.is_empty():
            kek.create()
        kek.close()
    else:
        FileKek.create(file, branches)


def begin_kek(name: str, file: Path, token: Pkcs11 | None, own: bytes) -> None:
    """Make the key-encryption key of a ring that is not there yet; on a token under a random name of the deployment.

    One that is lost is not made anew: what stands in the ring would not open. A ring of before there were names has
    none, and its keys stand on the token under their own name alone.

    Args:
        name: What it wraps.
        file: Its place, where there is no token.
        token: The token that holds it instead.
        own: `NAME` random bytes, for the name of a new deployment.
    """
    keys = file.parent
    if (keys / RING).exists():
        return
    if token is not None:
        make_private(keys / NAME_FILE, own.hex().encode())
    make_kek(name, file, token)


def _token(name: str, keys: Path, token: Pkcs11) -> "Pkcs11Kek":
    from pseudonymisation.hsm import Pkcs11Kek  # noqa: PLC0415  needs the extra `pkcs11`

    own = keys / NAME_FILE
    full = f"{read_private(own).decode().strip()}-{name}" if own.exists() else name
    return Pkcs11Kek(full, token.module, token.token, read_private(keys.parent / token.pin).decode().strip())
