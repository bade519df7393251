"""What Kite's WebSocket says in text: an order changed, a complaint, a notice.

Source: kite.trade/docs/connect/v3/websocket (read 2026-11).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

TEXT_CHARACTERS_MAX: Final = 2_000


@dataclass(frozen=True, slots=True)
class OrderUpdate:
    """An order changed; `row` is Kite's JSON object, untouched. Only a hint: re-read the order."""

    row: bytes


@dataclass(frozen=True, slots=True)
class Complaint:
    """Kite could not do what we asked on this connection, which stays open."""

    text: str


@dataclass(frozen=True, slots=True)
class Notice:
    """Something the broker wants users to know."""

    text: str


Said = OrderUpdate | Complaint | Notice


class _Envelope(msgspec.Struct, frozen=True):
    type: str
    data: msgspec.Raw = msgspec.Raw(b"null")


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def read(payload: bytes) -> Said | None:
    """Return what a text frame says; None for anything else, which official clients ignore."""
    try:
        envelope = _ENVELOPE.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if envelope.type == "order":
        row = bytes(envelope.data)
        return OrderUpdate(row) if row.startswith(b"{") and row != b"{}" else None
    if envelope.type == "error":
        return Complaint(_text(envelope.data))
    if envelope.type == "message":
        return Notice(_text(envelope.data))
    return None


def _text(raw: msgspec.Raw) -> str:
    plain: Any = msgspec.json.decode(raw)
    shown = plain if isinstance(plain, str) else bytes(raw).decode(errors="replace")
    return shown[:TEXT_CHARACTERS_MAX]
