"""Whether two commands of one command_id are the same command.

Every field counts but command_id itself, valid_until_us included: whoever repeats a command repeats
it unchanged. Numbers count by value, so 101.50, "101.5" and 1.015e2 are one price; a field left out
counts as its default.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from functools import cache
from typing import Final

import msgspec

from shared.wire.orders import Command

FINGERPRINT_BYTES = 32
#: Fields that came later: with their default they do not count, so that a command repeated after an
#: upgrade is the command it was before.
_LATER: Final = frozenset(
    {
        "iceberg_legs",
        "iceberg_quantity",
        "auction_number",
        "autoslice",
        "on_partial",
        "is_exit",
    }
)


def fingerprint(command: Command) -> bytes:
    """Return 32 bytes that are equal for equal commands, whatever their spelling."""
    fields = {
        name: _canonical(value)
        for name, default in _defaults(type(command)).items()
        if (value := getattr(command, name)) != default or name not in _LATER
    }
    kind = type(command).__struct_config__.tag
    return hashlib.sha256(msgspec.json.encode({**fields, "kind": kind}, order="sorted")).digest()


@cache
def _defaults(kind: type[Command]) -> dict[str, object]:
    """Return the fields that count, each with its default."""
    found = msgspec.structs.fields(kind)
    return {each.name: each.default for each in found if each.name != "command_id"}


def _canonical(value: object) -> object:
    if isinstance(value, Decimal):
        # Zero first: normalize() keeps the exponent's sign of nothing, and -0 equals 0.
        return format(value.normalize(), "f") if value else "0"
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
