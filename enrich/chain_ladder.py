"""The expiries of the published instruments: who they are, which rows make their ladders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrich.contracts import Contracts
from shared.wire.instruments import Kind


@dataclass(frozen=True, slots=True)
class Expiry:
    """One (underlying, exchange, expiry) that has options."""

    group: int
    underlying: str
    exchange: str
    expiry: str
    lot_size: int
    shard: int
    strikes: np.ndarray
    #: Instrument rows per strike, shape (2, n), calls first; -1: not listed.
    rows: np.ndarray

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what tells it from every other."""
        return self.underlying, self.exchange, self.expiry


def expiries(published: np.ndarray, contracts: Contracts) -> list[Expiry]:
    """Return the expiries with options, in the order of groups; rows are those of `published`."""
    made = []
    for number, group in enumerate(contracts.groups):
        ladder = contracts.strikes[group["strikes_start"] : group["strikes_end"]]
        if not len(ladder):
            continue
        rows = np.stack((ladder["call"], ladder["put"])).astype(np.int64)
        one = published[int(rows.max())]
        assert one["kind"] >= Kind.CALL, "a ladder is made of options"
        day = int(one["expiry"])
        made.append(
            Expiry(
                group=number,
                underlying=one["underlying"].decode(),
                exchange=one["exchange"].decode(),
                expiry=f"{day // 10_000:04d}-{day // 100 % 100:02d}-{day % 100:02d}",
                lot_size=int(one["lot_size"]),
                shard=int(one["shard"]),
                strikes=np.ascontiguousarray(ladder["strike"]),
                rows=rows,
            )
        )
    return made
