"""The command_ids of commands that are made for another one."""

from __future__ import annotations

import hashlib
from typing import Final

COMMAND_ID_CHARACTERS_MAX: Final = 64
_HASH_DIGITS: Final = 16


def derived_id(command_id: str, name: str) -> str:
    """Return the command_id of what is made for a command: the same at every attempt.

    It is the command's own with `.` and a name; one that would be too long is shortened by a hash.
    """
    room = COMMAND_ID_CHARACTERS_MAX - len(name) - 1
    if len(command_id) > room:
        digest = hashlib.sha256(command_id.encode()).hexdigest()[:_HASH_DIGITS]
        command_id = f"{command_id[: room - _HASH_DIGITS - 1]}-{digest}"
    return f"{command_id}.{name}"
