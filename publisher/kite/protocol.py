"""Kite's own WebSocket dialect, as its clients speak it: requests in, text frames out.

Source: kite.trade/docs/connect/v3/websocket, the official clients for Python, JavaScript and Go
(read 2026-11).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from shared.errors import MessageError
from shared.wire.ticks import Mode

#: What a client hears while nothing else is said. Source: the documentation, "1 byte heartbeat".
HEARTBEAT: Final = b"\0"
#: The dialect's clients give a socket up after 5 s without a word (JavaScript, Go).
HEARTBEAT_S: Final = 1.0

_MODES: Final = {"ltp": Mode.LTP, "quote": Mode.QUOTE, "full": Mode.FULL}

# JavaScript programs often hold tokens as text; Zerodha takes both.
_Token = Annotated[int, Meta(ge=1, le=2**32 - 1)]
_Tokens = tuple[_Token, ...]
_ModeRequest = tuple[Literal["ltp", "quote", "full"], _Tokens]


class Subscribe(Struct, frozen=True):
    """Send these instruments, in mode quote unless they have one already."""

    tokens: tuple[int, ...]


class Unsubscribe(Struct, frozen=True):
    """Send these instruments no longer."""

    tokens: tuple[int, ...]


class SetMode(Struct, frozen=True):
    """Send these instruments in this mode; one not subscribed to is from now on."""

    mode: Mode
    tokens: tuple[int, ...]


Request = Subscribe | Unsubscribe | SetMode


class _Said(Struct, frozen=True):
    a: Literal["subscribe", "unsubscribe", "mode"]
    v: Raw


class _Text(Struct, frozen=True):
    type: Literal["order", "error", "message"]
    data: Raw | str


def parse(text: str | bytes) -> Request:
    """Return what a client's text frame asks for.

    Raises:
        MessageError: it asks for nothing we know; the message names field, value and rule.
    """
    try:
        said = msgspec.json.decode(text, type=_Said)
        if said.a == "mode":
            name, tokens = msgspec.json.decode(said.v, type=_ModeRequest, strict=False)
            return SetMode(_MODES[name], tokens)
        tokens = msgspec.json.decode(said.v, type=_Tokens, strict=False)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise MessageError(f"no request of the ticker's: {error}") from error
    return Subscribe(tokens) if said.a == "subscribe" else Unsubscribe(tokens)


def error_text(sentence: str) -> bytes:
    """Return the text frame that tells a client what was wrong."""
    return msgspec.json.encode(_Text("error", sentence))


def order_text(row: Raw) -> bytes:
    """Return the text frame of an order update; `row` is Kite's own JSON of the order."""
    return msgspec.json.encode(_Text("order", row))
