"""The published instruments as columns that can be asked, page by page."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from publisher.api.route import PageQuery
from publisher.api.shapes import InstrumentView
from shared.wire.instruments import Kind

KindName = Literal["equity", "index", "future", "call", "put"]
_KINDS: Final[dict[str, int]] = {kind.name.lower(): int(kind) for kind in Kind}
_NAMES: Final = {number: name for name, number in _KINDS.items()}
Name = Annotated[str, Meta(min_length=1, max_length=36)]


class InstrumentsQuery(PageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which instruments; `symbol` is `EXCHANGE:TRADINGSYMBOL`, `expiry` `YYYY-MM-DD`."""

    underlying: Name | None = None
    kind: KindName | None = None
    exchange: Annotated[str, Meta(max_length=8)] | None = None
    expiry: Annotated[str, Meta(pattern=r"\A\d{4}-\d{2}-\d{2}\Z")] | None = None
    symbol: Annotated[str, Meta(pattern=r"\A[A-Z]{2,8}:.{1,36}\Z")] | None = None


def find(
    records: NDArray[np.void], query: InstrumentsQuery, *, after_token: int
) -> NDArray[np.void]:
    """Return what is asked for, by token, one more than a page holds; `records` are sorted."""
    chosen = records["instrument_token"] > after_token
    exchange, _, symbol = (query.symbol or "").partition(":")
    for name, value in (
        ("underlying", query.underlying),
        ("exchange", query.exchange),
        ("exchange", exchange or None),
        ("tradingsymbol", symbol or None),
    ):
        if value is not None:
            chosen &= records[name] == value.encode()
    if query.kind is not None:
        chosen &= records["kind"] == _KINDS[query.kind]
    if query.expiry is not None:
        chosen &= records["expiry"] == int(query.expiry.replace("-", ""))
    return records[np.flatnonzero(chosen)[: query.limit + 1]]


def view(record: Any) -> InstrumentView:
    """Return one record as it is told."""
    kind = _NAMES[int(record["kind"])]
    expiry = f"{int(record['expiry']):08d}"
    return InstrumentView(
        instrument_token=int(record["instrument_token"]),
        underlying_token=int(record["underlying_token"]),
        exchange=record["exchange"].decode("ascii", "replace"),
        tradingsymbol=record["tradingsymbol"].decode("ascii", "replace"),
        underlying=record["underlying"].decode("ascii", "replace"),
        kind=kind,  # type: ignore[arg-type]  # the names of Kind are these
        strike=float(record["strike"]) if kind in {"call", "put"} else None,
        tick_size=float(record["tick_size"]),
        lot_size=int(record["lot_size"]),
        expiry=f"{expiry[:4]}-{expiry[4:6]}-{expiry[6:]}" if int(record["expiry"]) else None,
        shard=int(record["shard"]),
    )
