"""The answer to a placement that Kite cuts into slices, in both shapes that are in circulation.

A list of entries (kite.trade/docs/connect/v3/orders, July 2026), or the first order with its
`children` (zerodha/kiteconnect-mocks autoslice_response.json of March 2026, all SDKs). An entry is
an order_id or an error; some of each is a normal answer.
"""

from __future__ import annotations

from typing import Any

import msgspec

from shared.errors import KiteOutcomeUnknown, KiteRejected
from shared.kite.translate import refusal_of


class SliceError(msgspec.Struct, frozen=True):
    """Why one slice was not placed, in Kite's words; `code` is what HTTP would have said."""

    message: str = ""
    error_type: str = ""
    code: int = 0

    @property
    def is_proof(self) -> bool:
        """Tell whether it proves that this slice was not placed."""
        return refusal_of(self.error_type, self.code, self.message) is not None


class Placed(msgspec.Struct, frozen=True):
    """What a placement led to: its order, further slices, slices that were refused."""

    order_id: str
    others: tuple[str, ...] = ()
    errors: tuple[SliceError, ...] = ()


class _Entry(msgspec.Struct, frozen=True):
    order_id: str | int = ""
    error: SliceError | None = None
    children: tuple[_Entry, ...] = ()


def read_placed(name: str, data: bytes) -> Placed:
    """Return what the answer to the request `name` says.

    Raises:
        KiteRejected: every slice was refused for certain.
        KiteOutcomeUnknown: it names no order.
    """
    entries = _entries(data)
    order_ids = [str(entry.order_id) for entry in entries if entry.order_id]
    errors = tuple(entry.error for entry in entries if entry.error is not None)
    if order_ids:
        return Placed(order_ids[0], tuple(order_ids[1:]), errors)
    if errors and all(error.is_proof for error in errors):
        first = errors[0]
        raise KiteRejected(first.message, error_type=first.error_type, status=first.code)
    raise KiteOutcomeUnknown(f"{name}: success without an order_id")


def _entries(data: bytes) -> list[_Entry]:
    try:
        found: Any = msgspec.json.decode(data, type=_Entry | list[_Entry], strict=False)
    except msgspec.DecodeError:
        return []
    if isinstance(found, list):
        return found
    return [found, *found.children]
