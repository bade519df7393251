"""The instruments dump as the broker publishes it."""

from __future__ import annotations

from collections.abc import Iterable

from deploy.sandbox.contracts import Contract, Group, Kind
from deploy.sandbox.matching import PAISE_PER_RUPEE

HEADER = (
    "instrument_token,exchange_token,tradingsymbol,name,last_price,"
    "expiry,strike,tick_size,lot_size,instrument_type,segment,exchange"
)
_TYPES = {
    Kind.INDEX: "EQ",
    Kind.EQUITY: "EQ",
    Kind.FUTURE: "FUT",
    Kind.CALL: "CE",
    Kind.PUT: "PE",
}


def instruments_csv(contracts: Iterable[Contract], groups: tuple[Group, ...]) -> bytes:
    """Return the dump of some contracts, the header first, one line each."""
    lines = [HEADER, *(_line(contract, groups) for contract in contracts)]
    return ("\n".join(lines) + "\n").encode()


def _line(contract: Contract, groups: tuple[Group, ...]) -> str:
    expiry = groups[contract.group].expiry.day.isoformat() if contract.group >= 0 else ""
    index = contract.kind is Kind.INDEX
    derivative = contract.group >= 0
    return ",".join(
        (
            str(contract.token),
            str(contract.exchange_token),
            contract.symbol,
            contract.name,
            "0.0" if derivative else "0",
            expiry,
            str(contract.strike) if derivative else "0",
            "0" if index else f"{contract.tick_paise / PAISE_PER_RUPEE:g}",
            str(contract.lot_size),
            _TYPES[contract.kind],
            contract.segment,
            contract.exchange,
        )
    )
