"""Accounts in a TOML file: one table `[accounts.<id>]` each."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from shared.accounts.token_state import expires_us
from shared.errors import SettingsError
from shared.secret import Secret
from shared.store.accounts import AccountRow, Credentials, Session

FILE_BYTES_MAX: Final = 1 << 20
SECRET_BYTES_MAX: Final = 4_096
ACCOUNT_ID: Final = re.compile(r"[A-Z0-9]{2,16}")
_OTHERS: Final = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP
_NS_PER_US: Final = 1_000

_Text = Annotated[str, Meta(max_length=SECRET_BYTES_MAX)]


class _Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    api_key: Annotated[str, Meta(min_length=1, max_length=64)]
    api_secret: _Text = ""
    api_secret_file: _Text = ""
    access_token: _Text = ""
    access_token_file: _Text = ""
    enabled: bool = True


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    accounts: dict[str, _Entry] = {}


def read_accounts(file: Path) -> dict[str, AccountRow]:
    """Return the accounts of a file; a token in it was issued when its file was written.

    Raises:
        SettingsError: the file is missing, open to everybody, or not what it should be.
    """
    text, written_us = _private_text(file, FILE_BYTES_MAX, f"accounts.file {file}")
    try:
        found = msgspec.convert(tomllib.loads(text), _File)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"accounts.file {file} is not TOML: {error}") from None
    except (msgspec.ValidationError, RecursionError) as error:
        # The vendor names types and places, never the values.
        raise SettingsError(f"accounts.file {file}: {error}") from None
    return {name: _row(file, name, entry, written_us) for name, entry in found.accounts.items()}


def _row(file: Path, name: str, entry: _Entry, written_us: int) -> AccountRow:
    if not ACCOUNT_ID.fullmatch(name):
        raise SettingsError(
            f"accounts.file {file}: account {name!r} must be 2 to 16 capital letters or digits"
        )
    place = f"accounts.file {file}: account {name}:"
    api_secret, _ = _either(place, "api_secret", entry.api_secret, entry.api_secret_file)
    token, token_us = _either(place, "access_token", entry.access_token, entry.access_token_file)
    issued_us = token_us or written_us
    session = Session(Secret(entry.api_key), token, issued_us, expires_us(issued_us))
    return AccountRow(
        account=name,
        is_enabled=entry.enabled,
        credentials=Credentials(Secret(entry.api_key), api_secret),
        session=session if token else None,
    )


def _either(place: str, field: str, value: str, file: str) -> tuple[Secret, int]:
    """Return a secret with the time its own file was written, 0 where it stands in the table."""
    if value and file:
        raise SettingsError(f"{place} {field} and {field}_file are both set; keep one")
    if not file:
        return Secret(value), 0
    text, written_us = _private_text(Path(file), SECRET_BYTES_MAX, f"{place} {field}_file")
    return Secret(text.strip()), written_us


def _private_text(file: Path, bytes_max: int, what: str) -> tuple[str, int]:
    """Return a file's text with the time it was written, Unix microseconds."""
    try:
        found = file.stat()
        if found.st_mode & _OTHERS:
            raise SettingsError(f"{what} is open to others; chmod 600 it")
        with file.open("rb") as opened:
            content = opened.read(bytes_max + 1)
    except OSError as error:
        raise SettingsError(f"{what} cannot be read: {error.strerror}") from None
    if len(content) > bytes_max:
        raise SettingsError(f"{what} is above {bytes_max} bytes")
    try:
        return content.decode(), found.st_mtime_ns // _NS_PER_US
    except UnicodeDecodeError:
        pass
    raise SettingsError(f"{what} is not UTF-8 text")
