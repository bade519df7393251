"""The mark of a placement in the broker's order book.

Kite has no client order id. A tag of at most 20 alphanumeric characters is all that comes back with
an order. Source: kite.trade/docs/connect/v3/orders, kite.trade/forum comment 52970 (read 2026-11).
"""

from __future__ import annotations

import hashlib
from typing import Final

PREFIX: Final = "tf"
TAG_CHARACTERS_MAX: Final = 20
_DIGITS: Final = "0123456789abcdefghijklmnopqrstuvwxyz"


def tag_of(account: str, command_id: str) -> str:
    """Return the command's tag: the same for every attempt, 93 bits apart from any other's."""
    number = int.from_bytes(hashlib.sha256(f"{account}\0{command_id}".encode()).digest())
    characters = []
    for _ in range(TAG_CHARACTERS_MAX - len(PREFIX)):
        number, digit = divmod(number, len(_DIGITS))
        characters.append(_DIGITS[digit])
    return PREFIX + "".join(characters)
