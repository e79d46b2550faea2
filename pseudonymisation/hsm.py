"""Key-encryption keys in a PKCS#11 token: AES-256, sensitive, not extractable. Needs the extra `pkcs11`.

The keys of the keyring stay wrapped in their files and are opened inside the token; what the token never shows is the
key-encryption key, so a stolen disk opens nothing. (A token that computes every pid itself is possible but thirty
times slower, and no token in common use can compute the oblivious function.)
"""

import os
import re
from collections.abc import Callable, Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, Protocol, TypeVar, cast

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error, UserAlreadyLoggedIn
from pkcs11.mechanisms import GCMParams

from pseudonymisation.errors import KeyringError
from pseudonymisation.kek import KEY, NONCE

_TAG_BITS = 128
Result = TypeVar("Result")
_SECRET_KEYS: dict[Attribute, Any] = {Attribute.CLASS: ObjectClass.SECRET_KEY}


class _AesKey(Protocol):
    """What python-pkcs11 adds to a key at run time, from what the token allows."""

    label: str

    def encrypt(self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams) -> bytes: ...
    def decrypt(self, data: bytes, *, mechanism: Mechanism, mechanism_param: GCMParams) -> bytes: ...
    def destroy(self) -> None: ...


class Pkcs11Kek:
    """See `Kek`. The current key is the one with the highest number in its label.

    One session, used by one thread at a time: tokens differ in what they allow beyond that.

    Args:
        name: what the keys wrap, such as `kek`: the beginning of their labels. Two names never touch each other's keys.
        module: the PKCS#11 library of the token.
        token: label of the token.
        pin: of the user; from a private file, never from a command line.

    Raises:
        KeyringError: no such token, a wrong PIN, or no key-encryption key in it (`create`).
    """

    def __init__(self, name: str, module: Path, token: str, pin: str) -> None:
        self._lock = Lock()
        self._label = f"verzuimpoort-{name}-"
        self._ours = re.compile(f"{re.escape(self._label)}([0-9]+)")
        self._token = token
        self._open = partial(_session_of, module, token, pin)
        self._session = self._open()

    def create(self) -> None:
        """The first key-encryption key.

        Raises:
            KeyringError: there is one already.
        """

        def act() -> None:
            if self._keys():
                raise KeyringError("token-full")
            self._generate(1)

        self._guarded(act)

    def is_empty(self) -> bool:
        """Whether the token has no key-encryption key yet."""
        return not self._guarded(self._keys)

    def wrap(self, secret: bytes, aad: bytes) -> tuple[str, bytes]:
        """See `Kek`."""

        def act() -> tuple[str, bytes]:
            number, key = self._current()
            return self._name(number), _sealed(key, secret, aad)

        return self._guarded(act)

    def unwrap(self, kek_id: str, wrapped: bytes, aad: bytes) -> bytes:
        """See `Kek`."""

        def act() -> bytes:
            for number, key in self._keys():
                if self._name(number) == kek_id:
                    return _opened(key, wrapped, aad)
            raise KeyringError("kek-gone", kek=kek_id)

        return self._guarded(act)

    def current(self) -> frozenset[str]:
        """See `Kek`."""
        return frozenset({self._name(self._guarded(self._current)[0])})

    def renew(self, kek_ids: Collection[str]) -> None:
        """See `Kek`."""

        def act() -> None:
            keys = self._keys()
            if len(keys) == 1 and self._name(keys[0][0]) in kek_ids:
                self._generate(keys[0][0] + 1)

        self._guarded(act)

    def retire(self) -> None:
        """See `Kek`."""

        def act() -> None:
            for _, key in self._keys()[:-1]:
                key.destroy()

        self._guarded(act)

    def close(self) -> None:
        """End the session, also one that the token has ended."""
        with suppress(PKCS11Error):
            self._session.close()

    def _guarded(self, act: Callable[[], Result]) -> Result:
        """Act in the session, one thread at a time; one that the token has ended is opened anew, once.

        An act that was cut off is done again, so each looks first at what is there.

        Raises:
            KeyringError: the token does not do it in a new session either.
        """
        with self._lock:
            try:
                return act()
            except PKCS11Error:
                self.close()
                self._session = self._open()
            try:
                return act()
            except PKCS11Error:
                raise KeyringError("token-closed", token=self._token) from None

    def _keys(self) -> list[tuple[int, _AesKey]]:
        objects = [cast("_AesKey", one) for one in self._session.get_objects(_SECRET_KEYS)]
        ours = [(int(found[1]), one) for one in objects if (found := self._ours.fullmatch(one.label))]
        return sorted(ours, key=lambda pair: pair[0])

    def _current(self) -> tuple[int, _AesKey]:
        keys = self._keys()
        if not keys:
            raise KeyringError("token-empty", token=self._token, label=self._label)
        return keys[-1]

    def _generate(self, number: int) -> None:
        self._session.generate_key(
            KeyType.AES,
            KEY * 8,
            label=self._name(number),
            store=True,
            template={Attribute.SENSITIVE: True, Attribute.EXTRACTABLE: False},
        )

    def _name(self, number: int) -> str:
        return f"{self._label}{number:06d}"


def _session_of(module: Path, token: str, pin: str) -> pkcs11.Session:
    """A session in which the user is logged in.

    Raises:
        KeyringError: no such token, or a wrong PIN.
    """
    try:
        found = pkcs11.lib(str(module)).get_token(token_label=token)
        try:
            return found.open(rw=True, user_pin=pin)
        except UserAlreadyLoggedIn:  # the login is the process's: another session of it has given the PIN
            return found.open(rw=True)
    except PKCS11Error:
        raise KeyringError("token-closed", token=token) from None


def _sealed(key: _AesKey, secret: bytes, aad: bytes) -> bytes:
    nonce = os.urandom(NONCE)
    return nonce + key.encrypt(secret, mechanism=Mechanism.AES_GCM, mechanism_param=GCMParams(nonce, aad, _TAG_BITS))


def _opened(key: _AesKey, wrapped: bytes, aad: bytes) -> bytes:
    """The secret again.

    Tokens name a wrong tag differently, some like any trouble: it is one where the same key still works.

    Raises:
        KeyringError: the bytes or `aad` are not what was wrapped.
        PKCS11Error: the session is lost.
    """
    parameters = GCMParams(wrapped[:NONCE], aad, _TAG_BITS)
    try:
        return bytes(key.decrypt(wrapped[NONCE:], mechanism=Mechanism.AES_GCM, mechanism_param=parameters))
    except PKCS11Error:
        _sealed(key, bytes(KEY), aad)
        raise KeyringError("wrapped-altered") from None
