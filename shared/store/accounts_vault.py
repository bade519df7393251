"""Values that are sealed before they reach the database."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken, MultiFernet

from shared.errors import SettingsError
from shared.secret import Secret

#: Keys tried for one value: the newest seals, all of them open.
KEYS_MAX: Final = 8
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{43}=")
_NS_PER_S: Final = 1_000_000_000

Texts = tuple[str, ...]


class Unopened(Exception):
    """A sealed value is not what it should be; the message says why, never what."""


class Vault:
    """Seals texts with the first key, opens what any of the keys has sealed.

    A value is bound to its place, such as account and column: moved elsewhere it does not open.
    """

    def __init__(self, keys: Sequence[Secret]) -> None:
        if len(keys) > KEYS_MAX:
            raise SettingsError(
                f"accounts.encryption_keys holds {len(keys)} keys; it must hold at most {KEYS_MAX}"
            )
        self._fernet = MultiFernet(list(map(_fernet, keys, range(len(keys))))) if keys else None

    @property
    def has_keys(self) -> bool:
        """Tell whether anything can be sealed or opened."""
        return self._fernet is not None

    def seal(self, place: Texts, texts: Texts, *, now_ns: int) -> bytes:
        """Return `texts` encrypted, to be kept at `place`.

        Raises:
            SettingsError: there is no key.
        """
        return self._keys().encrypt_at_time(
            msgspec.json.encode((place, texts)), now_ns // _NS_PER_S
        )

    def open(self, place: Texts, sealed: bytes) -> Texts:
        """Return the texts that were sealed for `place`.

        Raises:
            SettingsError: there is no key.
            Unopened: no key fits, the bytes are damaged, or they were sealed for another place.
        """
        try:
            found = msgspec.json.decode(self._keys().decrypt(sealed), type=tuple[Texts, Texts])
        except InvalidToken:
            raise Unopened("no key in accounts.encryption_keys opens it") from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Unopened("it was sealed by another program") from None
        if found[0] != place:
            raise Unopened("it was sealed for another account or column")
        return found[1]

    def reseal(self, place: Texts, sealed: bytes, *, now_ns: int) -> bytes:
        """Return the same texts under the first key; raises as `open`."""
        return self.seal(place, self.open(place, sealed), now_ns=now_ns)

    def _keys(self) -> MultiFernet:
        if self._fernet is None:
            raise SettingsError(
                "accounts.encryption_keys is not set; accounts in PostgreSQL need it: "
                "`tickflow accounts new-key FILE` makes one for "
                "TICKFLOW_ACCOUNTS__ENCRYPTION_KEYS_FILE"
            )
        return self._fernet


def new_key() -> Secret:
    """Return a fresh key as text."""
    return Secret(Fernet.generate_key().decode())


def _fernet(key: Secret, position: int) -> Fernet:
    # The vendor's own check takes two keys run together for the first of them.
    if not _KEY.fullmatch(key.reveal()):
        raise SettingsError(
            f"accounts.encryption_keys: key {position + 1} is not one; "
            "it must be 32 bytes in url-safe base64"
        )
    return Fernet(key.reveal())
