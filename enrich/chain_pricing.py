"""One expiry at one moment as columns: rows, figures, smile."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from enrich.chain_ladder import Expiry
from enrich.kernels import chain as kernel
from enrich.kernels import chain_figures, chain_smile, layout
from enrich.kernels.chain_points import smile_points
from enrich.kernels.forward import PAIRS_MAX, YEAR_NS, volatility_years
from enrich.kernels.state import GROUP_STATE
from shared.kite.codec.decode import blank_ticks
from shared.wire.chains import STRIKES_MAX, ChainFigures, ChainSmile

_KINDS = {chain_smile.NONE: "none", chain_smile.SVI: "svi", chain_smile.QUADRATIC: "quadratic"}
#: Below an hour a tick of the underlying is worth whole percents of carry.
_CARRY_YEARS_MIN = 1.0 / (365.0 * 24.0)
_DAY_NS = 86_400_000_000_000
_IST_NS = 19_800_000_000_000


@dataclass(frozen=True, slots=True)
class Market:
    """What the engine knows, read only; `parameters` is a single row, `tokens` are the rows'."""

    tokens: np.ndarray
    tables: tuple[np.ndarray, np.ndarray, np.ndarray]
    last: np.ndarray
    parameters: np.ndarray


@dataclass(frozen=True, slots=True)
class Priced:
    """Columns of a window of strikes; arrays have the two sides first, calls before puts."""

    start: int
    strikes: np.ndarray
    numbers: np.ndarray
    codes: np.ndarray
    smile_vol: np.ndarray
    figures: ChainFigures
    smile: ChainSmile


class Pricing:
    """Prices chains in scratch memory of its own."""

    def __init__(self, market: Market, first_oi: np.ndarray, *, smile_age_max_ns: int) -> None:
        """`first_oi`: int64 per instrument row, the day's first seen; set as options are seen."""
        self._market = market
        self._first_oi = first_oi
        self._smile_age_max_ns = smile_age_max_ns
        rows = 2 * STRIKES_MAX
        self._records = blank_ticks(rows)
        self._group = np.zeros(1, GROUP_STATE)
        self._solver = (
            layout.new_scratch(),
            np.zeros(layout.BLOCK_ROWS, np.int64),
            np.zeros(layout.BLOCK_ROWS, np.uint8),
            np.zeros(rows, np.int64),
            np.zeros((2, PAIRS_MAX)),
        )
        self._points = np.zeros((3, STRIKES_MAX))
        self._fit = np.zeros(chain_smile.RESULTS)
        self._figures = np.zeros(chain_figures.FIGURES)

    def warm_up(self) -> None:
        """Compile, or load, what `price` needs once there is a forward."""
        x, vols, weights = self._points
        strikes = np.zeros(0)
        smile_points(strikes, self._records[:0], 1.0, 0, self._smile_age_max_ns, x, vols, weights)
        kind = chain_smile.fit_smile(0, x, vols, weights, 1.0, self._fit)
        chain_smile.smile_vols(int(kind), strikes, 1.0, 1.0, self._fit, strikes)

    def newest_ns(self, expiry: Expiry) -> tuple[int, int, int]:
        """Return when an option ticked last, when its underlying or future did; 0: never.

        Third is the exchange's newest stamp among them, Unix ns, 0 where none was sent.
        """
        states, groups, strikes = self._market.tables
        option, moved, stamp = kernel.newest_ns(groups[expiry.group], states, strikes)
        return int(option), int(moved), int(stamp)

    def price(self, expiry: Expiry, at_ns: int, exchange_ns: int) -> Priced:
        """Return the chain as of a moment, Unix ns in receive time, and by the exchange's clock."""
        remaining_ns = int(self._market.tables[1]["expiry_ns"][expiry.group]) - exchange_ns
        self._group[0] = self._market.tables[1][expiry.group]
        start, strikes, rows = self._window(expiry)
        size = len(strikes)
        records = self._records[: 2 * size]
        kernel.reprice(
            rows.ravel(), self._group[0], self._market.tables, self._market.last, at_ns,
            remaining_ns, self._market.parameters[0], records, self._solver,
        )  # fmt: skip
        numbers = np.empty((2, kernel.NUMBERS, size))
        codes = np.empty((2, kernel.CODES, size), np.int64)
        day_start_ns = (at_ns + _IST_NS) // _DAY_NS * _DAY_NS - _IST_NS
        for side in range(2):
            kernel.columns(
                records[side * size : (side + 1) * size], rows[side], self._first_oi, day_start_ns,
                numbers[side], codes[side],
            )  # fmt: skip
        forward = float(self._group["forward"][0]) if self._group["source"][0] else math.nan
        years = max(0.0, remaining_ns / YEAR_NS)
        vols = np.empty(size)
        chain_figures.figures(strikes, numbers, codes, forward, vols, self._figures)
        vol_years = float(volatility_years(self._group[0], years))
        smile, smile_vol = self._smile(strikes, records, at_ns, forward, vol_years)
        figures = self._told(forward, years, vol_years)
        return Priced(start, strikes, numbers, codes, smile_vol, figures, smile)

    def _window(self, expiry: Expiry) -> tuple[int, np.ndarray, np.ndarray]:
        """Return the strikes nearest the money, as many as a message may carry, and from where."""
        if len(expiry.strikes) <= STRIKES_MAX:
            return 0, expiry.strikes, expiry.rows
        states = self._market.tables[0]
        reference = max(int(self._group["future"][0]), int(self._group["underlying"][0]))
        price = float(states["price"][reference]) if reference >= 0 else 0.0
        centre = int(np.searchsorted(expiry.strikes, price))
        start = min(max(0, centre - STRIKES_MAX // 2), len(expiry.strikes) - STRIKES_MAX)
        end = start + STRIKES_MAX
        return start, expiry.strikes[start:end], np.ascontiguousarray(expiry.rows[:, start:end])

    def _smile(
        self, strikes: np.ndarray, records: np.ndarray, at_ns: int, forward: float, years: float
    ) -> tuple[ChainSmile, np.ndarray]:
        x, vols, weights = self._points
        fitted = np.full(len(strikes), math.nan)
        if not forward > 0.0:
            return ChainSmile(kind="none"), fitted
        points = smile_points(
            strikes, records, forward, at_ns, self._smile_age_max_ns, x, vols, weights
        )
        kind = chain_smile.fit_smile(points, x, vols, weights, years, self._fit)
        if kind == chain_smile.NONE:
            return ChainSmile(kind="none", points=points), fitted
        chain_smile.smile_vols(kind, strikes, forward, years, self._fit, fitted)
        fit = self._fit.tolist()
        return (
            ChainSmile(
                kind=_KINDS[kind],  # type: ignore[arg-type]  # the three literals
                parameters=fit[:5] if kind == chain_smile.SVI else fit[:3],
                points=points,
                rmse=_number(fit[chain_smile.RMSE], 6),
                worst=_number(fit[chain_smile.WORST], 6),
                butterfly_min=_number(fit[chain_smile.BUTTERFLY_MIN], 6),
                low=_number(float(x[0]), 6),
                high=_number(float(x[points - 1]), 6),
            ),
            fitted,
        )

    def _told(self, forward: float, years: float, vol_years: float) -> ChainFigures:
        group, told = self._group[0], self._figures.tolist()
        underlying = math.nan
        if group["underlying"] >= 0:
            underlying = float(self._market.tables[0]["last_price"][group["underlying"]])
        has_both = underlying > 0.0 and forward > 0.0
        call, put = (
            told[chain_figures.CALL_25_DELTA_VOL],
            told[chain_figures.PUT_25_DELTA_VOL],
        )
        calls, puts = (
            told[chain_figures.CALL_GAMMA_EXPOSURE],
            told[chain_figures.PUT_GAMMA_EXPOSURE],
        )
        carry = math.log(forward / underlying) / years if has_both and years > 0.0 else math.nan
        return ChainFigures(
            underlying_price=_number(underlying if underlying > 0.0 else math.nan, 4),
            forward=_number(forward, 4),
            forward_source=int(group["source"]),
            forward_age_ms=int(group["age_ms"]),
            time_to_expiry=vol_years,
            rate=float(group["rate"]),
            basis=_number(forward - underlying if has_both else math.nan, 4),
            carry=_number(carry if years >= _CARRY_YEARS_MIN else math.nan, 6),
            atm_vol=_number(told[chain_figures.ATM_VOL], 6),
            atm_strike=_number(told[chain_figures.ATM_STRIKE], 4),
            straddle=_number(told[chain_figures.STRADDLE], 4),
            call_25_delta_vol=_number(call, 6),
            put_25_delta_vol=_number(put, 6),
            skew_25_delta=_number(put - call, 6),
            butterfly_25_delta=_number(0.5 * (put + call) - told[chain_figures.ATM_VOL], 6),
            pcr_oi=_number(told[chain_figures.PCR_OI], 4),
            pcr_volume=_number(told[chain_figures.PCR_VOLUME], 4),
            max_pain=_number(told[chain_figures.MAX_PAIN], 4),
            call_oi=_number(told[chain_figures.CALL_OI], 0),
            put_oi=_number(told[chain_figures.PUT_OI], 0),
            call_volume=_number(told[chain_figures.CALL_VOLUME], 0),
            put_volume=_number(told[chain_figures.PUT_VOLUME], 0),
            call_gamma_exposure=_number(calls, 2),
            put_gamma_exposure=_number(puts, 2),
            net_gamma_exposure=_number(calls - puts, 2),
        )


def _number(value: float, decimals: int) -> float | None:
    """Return a number as a message carries it: rounded, None for one that is missing."""
    return round(value, decimals) if math.isfinite(value) else None
