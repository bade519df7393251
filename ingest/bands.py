"""Which strikes lie within a delta of the money: read off the chain that is held, widened blindly.

Deltas are known of held options only. Where the outermost of them is still inside, so many
strikes more are taken until the bound is seen; one strike on either side is held beyond it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from ingest.following import Centre, Reluctance, followed
from ingest.universe import strike_step
from shared.wire.instruments import Kind

#: Steps further out that are taken at once where the bound lies beyond what is held.
WIDEN_STEPS: Final = 10
#: Fewer strikes with a delta than this tell nothing of a chain.
STRIKES_MIN: Final = 3


@dataclass(frozen=True, slots=True)
class Band:
    """The lowest and the highest strike of an expiry, in rupees, each followed by itself."""

    low: Centre
    high: Centre


class Bands:
    """The band of every expiry of the windows that go by delta."""

    def __init__(self, reluctance: Reluctance) -> None:
        self._reluctance = reluctance
        self._bands: dict[tuple[str, int], Band] = {}

    @property
    def strikes(self) -> dict[tuple[str, int], tuple[float, float]]:
        """Return lowest and highest strike by underlying and expiry (yyyymmdd)."""
        return {key: (band.low.price, band.high.price) for key, band in self._bands.items()}

    def follow(
        self, name: str, rows: np.ndarray, deltas: Mapping[int, float], least: float, now_s: float
    ) -> bool:
        """Look at the held options of an underlying; return whether a band is another one.

        `deltas` are by token, those of puts negative. An expiry of which too few are known keeps
        the band it has.
        """
        before = dict(self._bands)
        expiries = set(rows["expiry"].tolist())
        self._bands = {
            key: band for key, band in before.items() if key[0] != name or key[1] in expiries
        }
        for expiry in expiries:
            found = bounds(*calls_of(rows[rows["expiry"] == expiry], deltas), least)
            if found is not None:
                self._bands[name, expiry] = self._followed((name, expiry), rows, found, now_s)
        return self._bands != before

    def _followed(
        self, key: tuple[str, int], rows: np.ndarray, found: tuple[float, float], now_s: float
    ) -> Band:
        strikes, band = rows["strike"][rows["expiry"] == key[1]], self._bands.get(key)

        def kept(centre: Centre | None, price: float) -> Centre:
            return followed(centre, price, strike_step(strikes, price), now_s, self._reluctance)

        return Band(
            low=kept(band.low if band else None, found[0]),
            high=kept(band.high if band else None, found[1]),
        )


def calls_of(rows: np.ndarray, deltas: Mapping[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return strikes ascending with the delta a call has there, as its put tells it, too."""
    told: dict[float, list[float]] = {}
    for token, strike, kind in zip(
        rows["instrument_token"].tolist(), rows["strike"].tolist(), rows["kind"].tolist(),
        strict=True,
    ):  # fmt: skip
        if token in deltas:
            told.setdefault(strike, []).append(deltas[token] + (kind == Kind.PUT))
    strikes = sorted(told)
    means = [sum(told[strike]) / len(told[strike]) for strike in strikes]
    return np.array(strikes, dtype=np.float64), np.array(means, dtype=np.float64)


def bounds(strikes: np.ndarray, calls: np.ndarray, least: float) -> tuple[float, float] | None:
    """Return between which strikes a call's delta lies within `least` and 1 - `least`.

    `strikes` ascend, `calls` are the deltas of their calls, both shape (n,). None: they are too
    few, or none of them is near the money.
    """
    if len(strikes) < STRIKES_MIN or not ((calls >= least) & (calls <= 1.0 - least)).any():
        return None
    high = _passed(strikes, calls, least)
    low = -_passed(-strikes[::-1], 1.0 - calls[::-1], least)
    return low, high


def _passed(places: np.ndarray, values: np.ndarray, least: float) -> float:
    """Return where values that fall along `places` pass `least`, looked for from the middle."""
    middle = int(np.argmin(np.abs(values - 0.5)))
    beyond = np.flatnonzero(values[middle:] < least)
    if not beyond.size:
        return float(places[-1] + WIDEN_STEPS * (places[-1] - places[-2]))
    at = middle + int(beyond[0])
    if at == 0:
        return float(places[0])
    share = (values[at - 1] - least) / (values[at - 1] - values[at])
    return float(places[at - 1] + share * (places[at] - places[at - 1]))
