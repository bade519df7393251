"""Which rate, dividend yield, kind of time each expiry is priced with as ticks go by; pure."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from enrich.contracts import Contracts
from enrich.kernels.chain_points import first_outside
from enrich.kernels.state import PARAMETERS
from enrich.parameters import Parameters
from enrich.trading_time import TradingTime
from shared.market.calendar import packaged_calendar

_DAY_NS = 86_400_000_000_000
_IST_NS = 19_800_000_000_000
_FOR_EVER_NS = 2**63 - 1


class TermsInForce:
    """Keeps the groups' rate, dividend yield, parameters id as the day of a receive time wants."""

    def __init__(self, parameters: Parameters, contracts: Contracts) -> None:
        self._parameters = parameters
        self._contracts = contracts
        self._changes = parameters.changes
        self._begin_ns, self._end_ns = 0, 0
        self._set(0)
        self._time: TradingTime | None = None
        if parameters.time_basis == "trading":
            self._time = TradingTime(contracts, packaged_calendar())
        if not self.are_dated:
            self._end_ns = _FOR_EVER_NS

    @property
    def are_dated(self) -> bool:
        """Say whether there is anything that time changes."""
        return bool(self._changes) or self._time is not None

    def cut(self, segments: np.ndarray, position: int) -> tuple[int, int]:
        """Return where the segments end for which they hold, with the time of the next.

        `segments`: uint8, end to end. Where they hold for all: their size, 0.
        """
        end, received_ns = first_outside(segments, position, self._begin_ns, self._end_ns)
        return int(end), int(received_ns)

    def turn_to(self, received_ns: int) -> None:
        """Have what holds at a receive time, Unix ns."""
        place = bisect_right(self._changes, (received_ns + _IST_NS) // _DAY_NS)
        days = (0, *self._changes)
        self._begin_ns = max(0, days[place] * _DAY_NS - _IST_NS)
        ends = place < len(self._changes)
        self._end_ns = self._changes[place] * _DAY_NS - _IST_NS if ends else _FOR_EVER_NS
        self._set(days[place])
        if self._time is not None:
            begin_ns, end_ns = self._time.turn_to(received_ns)
            self._begin_ns, self._end_ns = max(self._begin_ns, begin_ns), min(self._end_ns, end_ns)

    def _set(self, day: int) -> None:
        groups = self._contracts.groups
        for underlying, rows in self._contracts.underlyings.items():
            terms = self._parameters.terms(underlying, day)
            groups["rate"][rows], groups["dividend_yield"][rows] = terms.rate, terms.dividend_yield
            groups["parameters_id"][rows] = terms.id


def parameters_row(parameters: Parameters) -> np.ndarray:
    """Return what the kernels need of the parameters, in their units, as a single row."""
    row = np.zeros(1, dtype=PARAMETERS)
    row["prefer_mid"] = parameters.price_input == "mid"
    row["twin_for_itm"] = parameters.twin_for_itm
    row["parity_age_max_ns"] = round(parameters.parity_age_max_s * 1e9)
    row["parity_refresh_ns"] = round(parameters.parity_refresh_s * 1e9)
    row["underlying_age_max_ns"] = round(parameters.underlying_age_max_s * 1e9)
    row["last_trade_age_max_s"] = round(parameters.last_trade_age_max_s)
    row["expiry_window_ns"] = round(parameters.expiry_window_s * 1e9)
    row["spread_floor"] = parameters.spread_floor_rupees
    row["spread_ratio_max"] = parameters.spread_ratio_max
    row["parity_spread_ratio_max"] = parameters.parity_spread_ratio_max
    return row
