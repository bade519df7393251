"""What is said to Kite's WebSocket: tokens wanted, tokens no longer wanted, their modes.

Kite acknowledges nothing and keeps nothing across connections; a bare subscription means quote
mode. Source: kite.trade/docs/connect/v3/websocket (read 2026-11).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, Literal

import msgspec

from shared.wire.ticks import Mode

#: A message of 500 tokens is about 5 kB. Kite documents no limit; its clients send up to 3,000.
TOKENS_PER_MESSAGE_MAX: Final = 500

MODE_NAMES: Final = {Mode.LTP: "ltp", Mode.QUOTE: "quote", Mode.FULL: "full"}

Action = Literal["subscribe", "unsubscribe"]


def membership(action: Action, tokens: Iterable[int]) -> list[bytes]:
    """Return the messages that add or remove `tokens`, each token once."""
    return [_message(action, part) for part in _parts(tokens)]


def mode(wanted: Mode, tokens: Iterable[int]) -> list[bytes]:
    """Return the messages that set the mode of subscribed `tokens`."""
    return [_message("mode", [MODE_NAMES[wanted], part]) for part in _parts(tokens)]


def _parts(tokens: Iterable[int]) -> Iterator[list[int]]:
    # dict.fromkeys keeps the order: Kite counts a repeated token twice against its limit.
    left = iter(dict.fromkeys(int(token) for token in tokens))
    while part := list(islice(left, TOKENS_PER_MESSAGE_MAX)):
        yield part


def _message(action: str, operand: list[Any]) -> bytes:
    return msgspec.json.encode({"a": action, "v": operand})
