"""Who may subscribe to what."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from shared.errors import SettingsError

TICKS_SCOPE = "ticks"
ORDERS_SCOPE = "orders:"
TRADE_SCOPE = "trade:"
WANTS_SCOPE = "wants"
EVERY_ACCOUNT = "*"
#: A key is hashed once, without salt: right for random keys, wrong for words; hence the length.
KEY_CHARACTERS_MIN = 24
KEY_CHARACTERS_MAX = 256

_NAME = re.compile(r"\A[A-Za-z0-9_.-]{1,32}\Z")
_SCOPE = re.compile(r"\A(ticks|wants|(orders|trade):([A-Z0-9]{2,16}|\*))\Z")
_QUOTA = re.compile(r"\A(instruments|connections|bytes_per_s)=([1-9][0-9]{0,9})\Z")
_DIGEST = re.compile(r"\A[0-9a-f]{64}\Z")


@dataclass(frozen=True, slots=True)
class Quotas:
    """What a key allows less of than the settings do; None: as much as they do."""

    instruments: int | None = None
    connections: int | None = None
    bytes_per_s: int | None = None


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever holds a key, with what the key allows."""

    name: str
    scopes: frozenset[str]
    quotas: Quotas = Quotas()

    @property
    def may_read_ticks(self) -> bool:
        """Tell whether ticks may be subscribed to."""
        return TICKS_SCOPE in self.scopes

    def may_read_orders(self, account: str) -> bool:
        """Tell whether order events of this account may be subscribed to."""
        return bool({ORDERS_SCOPE + account, ORDERS_SCOPE + EVERY_ACCOUNT} & self.scopes)

    def may_trade(self, account: str) -> bool:
        """Tell whether commands may be given for this account; what became of them not included."""
        return bool({TRADE_SCOPE + account, TRADE_SCOPE + EVERY_ACCOUNT} & self.scopes)

    @property
    def may_want(self) -> bool:
        """Tell whether instruments may be wanted, hence subscribed to at the broker."""
        return WANTS_SCOPE in self.scopes


class Keyring:
    """Every key that opens the door, by the SHA-256 of the key."""

    def __init__(self, principals: dict[str, Principal]) -> None:
        self._principals = principals

    def __len__(self) -> int:
        return len(self._principals)

    @property
    def names(self) -> list[str]:
        """Return the name of every key."""
        return [each.name for each in self._principals.values()]

    def named(self, name: str) -> Principal | None:
        """Return who holds the key of this name now, or None."""
        return next((each for each in self._principals.values() if each.name == name), None)

    def find(self, key: str) -> Principal | None:
        """Return whose key this is, or None.

        What is compared is a digest, so the time it takes says nothing of the key.
        """
        if not KEY_CHARACTERS_MIN <= len(key) <= KEY_CHARACTERS_MAX:
            return None
        return self._principals.get(digest(key))


def digest(key: str) -> str:
    """Return the SHA-256 of a key in hexadecimal: what settings hold in its place."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def read_keyring(lines: Iterable[str]) -> Keyring:
    """Return the keyring of lines `name:scopes:hash`, scopes and quotas joined by `+`.

    Raises:
        SettingsError: a line is not of that form, or a name or a hash comes twice.
    """
    principals: dict[str, Principal] = {}
    for number, line in enumerate(lines, start=1):
        principal, key_digest = _read(line, number)
        if key_digest in principals:
            raise SettingsError(f"publisher.keys: key {number} repeats the hash of another")
        if any(other.name == principal.name for other in principals.values()):
            raise SettingsError(f"publisher.keys: key {number} repeats the name {principal.name}")
        principals[key_digest] = principal
    return Keyring(principals)


def principal_of(name: str, words: Iterable[str]) -> Principal:
    """Return who has this name, scopes and quotas.

    Raises:
        ValueError: the name, or a word, is none.
    """
    if not _NAME.match(name):
        raise ValueError("the name must be 1 to 32 of A-Z a-z 0-9 _ . -")
    scopes: set[str] = set()
    quotas: dict[str, int] = {}
    for word in words:
        quota = _QUOTA.match(word)
        if quota:
            quotas[quota[1]] = int(quota[2])
        elif _SCOPE.match(word):
            scopes.add(word)
        else:
            raise ValueError(
                "a scope must be ticks, wants, orders:<account>, trade:<account> (or * for every "
                "account), a quota instruments=<n>, connections=<n> or bytes_per_s=<n>"
            )
    if not scopes:
        raise ValueError("a scope must be named")
    return Principal(name=name, scopes=frozenset(scopes), quotas=Quotas(**quotas))


def _read(line: str, number: int) -> tuple[Principal, str]:
    name, _, rest = line.strip().partition(":")
    words, _, key_digest = rest.rpartition(":")
    try:
        principal = principal_of(name, words.split("+"))
    except ValueError as error:
        # A name is no secret, but what stands in its place may be one.
        raise SettingsError(f"publisher.keys: key {number}: {error}, joined by +") from None
    if not _DIGEST.match(key_digest):
        raise SettingsError(
            f"publisher.keys: the hash of key {number} ({name}) must be the SHA-256 of the key, "
            "64 digits of 0-9 a-f"
        )
    return principal, key_digest
