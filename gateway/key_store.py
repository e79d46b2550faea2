"""Where key-encryption keys live: files of this deployment, or a PKCS#11 token that never shows them.

On a token each has a name of its own, so that two that share one, such as gateway and pseudonym service of one
operator, never destroy each other's.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from gateway.settings import Pkcs11
from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import FileKek, Kek
from pseudonymisation.private_file import read_private

if TYPE_CHECKING:
    from pseudonymisation.hsm import Pkcs11Kek


def open_kek(name: str, file: Path, token: Pkcs11 | None) -> Kek:
    """The key-encryption key of this name.

    Raises:
        KeyringError: the file or the token is not there, or cannot be opened: says which.
    """
    if token is not None:
        return _token(name, token)
    if not file.exists():
        raise KeyringError("kek-missing", path=file)
    return FileKek(file)


def make_kek(name: str, file: Path, token: Pkcs11 | None, branches: int = 1) -> None:
    """Make the key-encryption key where there is none yet; a token has one for all keys, whatever is asked."""
    if token is not None:
        kek = _token(name, token)
        if kek.is_empty():
            kek.create()
        kek.close()
    else:
        FileKek.create(file, branches)


def _token(name: str, token: Pkcs11) -> "Pkcs11Kek":
    from pseudonymisation.hsm import Pkcs11Kek  # noqa: PLC0415  needs the extra `pkcs11`

    return Pkcs11Kek(name, token.module, token.token, read_private(token.pin).decode().strip())
