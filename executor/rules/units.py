"""How quantities are said in sentences, by what an exchange counts."""

from __future__ import annotations

from typing import Final

_UNITS: Final = {"NSE": "shares", "BSE": "shares", "MCX": "lots"}


def unit_of(exchange: str) -> str:
    """Return what an order's quantity counts on an exchange."""
    return _UNITS.get(exchange, "units")


def counted(quantity: int, exchange: str) -> str:
    """Return a quantity with its unit."""
    unit = unit_of(exchange)
    return f"{quantity} {unit.removesuffix('s') if abs(quantity) == 1 else unit}"
