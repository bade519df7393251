"""The file of encryption keys: one line, comma-separated, the newest first."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from shared.errors import SettingsError
from shared.secret import Secret
from shared.store.accounts_vault import KEYS_MAX, Vault

_PRIVATE: Final = 0o600
FILE_BYTES_MAX: Final = 4_096


def put_in_front(file: Path, key: Secret) -> int:
    """Write the key before those in the file, whole or not at all; return how many there are.

    Raises:
        SettingsError: what is in the file is no list of keys, or there is no room for another.
        OSError: it cannot be read or written.
    """
    keys = [key, *_keys_in(file)]
    if len(keys) > KEYS_MAX:
        raise SettingsError(
            f"{file} holds {KEYS_MAX} keys already; run `tickflow accounts rotate-key`, then "
            "leave only the first in it"
        )
    fresh = file.with_name(f"{file.name}.new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, _PRIVATE)
    with os.fdopen(descriptor, "w") as opened:
        opened.write(",".join(each.reveal() for each in keys) + "\n")
        opened.flush()
        os.fsync(opened.fileno())
    fresh.replace(file)
    return len(keys)


def _keys_in(file: Path) -> list[Secret]:
    if not file.exists():
        return []
    with file.open() as opened:
        text = opened.read(FILE_BYTES_MAX)
    keys = [Secret(each.strip()) for each in text.split(",") if each.strip()]
    try:
        Vault(keys)
    except SettingsError as error:
        raise SettingsError(f"{file} is no file of keys: {error}") from None
    return keys
