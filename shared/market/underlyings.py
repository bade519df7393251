"""Canonical names of underlyings: what the exchange calls an index, what derivatives call it."""

from __future__ import annotations

#: Index row's tradingsymbol -> `name` column of its derivatives.
#: Source: Kite's instruments dump, index rows against the `name` of NFO and BFO rows (2026-08-18).
INDEX_UNDERLYINGS: dict[str, str] = {
    "NIFTY 50": "NIFTY",
    "NIFTY BANK": "BANKNIFTY",
    "NIFTY FIN SERVICE": "FINNIFTY",
    "NIFTY MID SELECT": "MIDCPNIFTY",
    "NIFTY NEXT 50": "NIFTYNXT50",
    "SENSEX": "SENSEX",
    "BANKEX": "BANKEX",
    "SNSX50": "SENSEX50",
}


def underlying_of(tradingsymbol: str, name: str, *, derivative: bool) -> str:
    """Return the canonical underlying: a derivative's `name`, an index's alias, else the symbol."""
    if derivative:
        return name or tradingsymbol
    return INDEX_UNDERLYINGS.get(tradingsymbol, tradingsymbol)
