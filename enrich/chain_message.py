"""From what consumers hold of a chain to what it is now: the message in between."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from enrich.chain_ladder import Expiry
from enrich.chain_pricing import Priced
from enrich.kernels import chain as kernel
from shared.wire.chains import Chain, ChainSide

_SIDE_NUMBERS = (
    "bid", "ask", "last", "price", "implied_vol", "delta", "gamma", "theta_per_day",
    "vega_per_vol_point", "rho_per_percent", "vanna", "vomma", "charm",
)  # fmt: skip
_SIDE_CODES = (
    "instrument_token", "status", "flags", "price_source", "oi", "oi_change", "volume", "at_ms",
)  # fmt: skip


class Tolerance:
    """How much a number may move and be the same, and how often everything is told anew."""

    def __init__(self, vol: float, delta: float, snapshot_every: int) -> None:
        self.snapshot_every = snapshot_every
        self.numbers = np.zeros(kernel.NUMBERS)
        self.numbers[[kernel.THETA, kernel.VEGA, kernel.RHO]] = np.inf
        self.numbers[[kernel.GAMMA, kernel.VANNA, kernel.VOMMA, kernel.CHARM]] = np.inf
        self.numbers[kernel.IMPLIED_VOL] = vol
        self.numbers[kernel.DELTA] = delta


@dataclass(frozen=True, slots=True)
class When:
    """As of when, and on whose behalf, a chain was priced."""

    at_ns: int
    fence: int
    instruments_version: int
    parameters_id: int


class Sent:
    """What consumers hold of one expiry; `newest` is what it was priced from."""

    def __init__(self) -> None:
        self.sequence = 0
        self.since_snapshot = 0
        self.newest = (0, 0, 0)
        self.priced: Priced | None = None

    def message(self, expiry: Expiry, priced: Priced, when: When, tolerance: Tolerance) -> Chain:
        """Return what brings consumers from what they hold to this, which they hold from now on."""
        changed = self._changed(priced, tolerance)
        is_whole = changed is None
        if changed is None:
            changed = np.ones(len(priced.strikes), np.bool_)
        self.sequence += 1
        return Chain(
            kind="snapshot" if is_whole else "delta",
            underlying=expiry.underlying,
            exchange=expiry.exchange,
            expiry=expiry.expiry,
            sequence=self.sequence - 1,
            fence=when.fence,
            shard=expiry.shard,
            at_us=when.at_ns // 1000,
            ticked_us=self.newest[0] // 1000,
            instruments_version=when.instruments_version,
            parameters_id=when.parameters_id,
            lot_size=expiry.lot_size,
            strikes=priced.strikes[changed].tolist(),
            strikes_left_out=len(expiry.strikes) - len(priced.strikes),
            smile_vol=_columns(priced.smile_vol[None, changed], np.isnan)[0],
            calls=_side(priced, 0, changed),
            puts=_side(priced, 1, changed),
            figures=priced.figures,
            smile=priced.smile,
        )

    def _changed(self, priced: Priced, tolerance: Tolerance) -> np.ndarray | None:
        """Return which strikes differ from what was sent of them last, None to send all anew."""
        before = self.priced
        if (
            before is None
            or before.start != priced.start
            or self.since_snapshot + 1 >= tolerance.snapshot_every
        ):
            self.priced, self.since_snapshot = priced, 0
            return None
        changed = np.ones(len(priced.strikes), np.bool_)
        kernel.mark_changed(
            priced.numbers, priced.codes, before.numbers, before.codes, tolerance.numbers, changed
        )
        before.numbers[:, :, changed] = priced.numbers[:, :, changed]
        before.codes[:, :, changed] = priced.codes[:, :, changed]
        self.since_snapshot += 1
        return changed


def _side(priced: Priced, side: int, changed: np.ndarray) -> ChainSide:
    numbers = _columns(priced.numbers[side][:, changed], np.isnan)
    codes = _columns(priced.codes[side][:, changed], _is_unknown)
    columns: dict[str, Any] = dict(zip(_SIDE_NUMBERS, numbers, strict=True))
    columns.update(zip(_SIDE_CODES, codes, strict=True))
    return ChainSide(**columns)


def _columns(values: np.ndarray, is_missing: Callable[[np.ndarray], np.ndarray]) -> list[list[Any]]:
    """Return the rows of a table as lists, with None for what is missing.

    Few columns miss anything, and to look at each number in Python is what a message costs most.
    """
    columns: list[list[Any]] = values.tolist()
    missing = is_missing(values)
    for column in np.flatnonzero(missing.any(axis=1)).tolist():
        for place in np.flatnonzero(missing[column]).tolist():
            columns[column][place] = None
    return columns


def _is_unknown(values: np.ndarray) -> np.ndarray:
    unknown: np.ndarray = values == kernel.UNKNOWN
    return unknown
