"""The list of instruments alive at an instant, as columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from deploy.sandbox.expiry_calendar import Expiry, live_expiries
from deploy.sandbox.underlyings import OPTION_TICK_PAISE, Asset, Derivatives

FIRST_EXCHANGE_TOKEN = {"NFO": 35_001, "BFO": 820_001}
SEGMENTS_PER_TOKEN = 256
TOKEN_DIGITS_MAX = 10


class Kind(IntEnum):
    """What an instrument is, in the order in which instruments lie in the list."""

    INDEX = 0
    EQUITY = 1
    FUTURE = 2
    CALL = 3
    PUT = 4


@dataclass(frozen=True, slots=True)
class Group:
    """The contracts of one underlying that expire together; `asset` indexes the assets."""

    asset: int
    expiry: Expiry


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """One listed instrument; prices in paise, `strike` in rupees, `group` -1 where none."""

    token: int
    exchange_token: int
    symbol: str
    name: str
    exchange: str
    segment: str
    kind: Kind
    asset: int
    group: int = -1
    strike: float = 0.0
    tick_paise: int
    lot_size: int
    freeze_quantity: int = 0

    @property
    def key(self) -> str:
        """Return the name under which quotes are asked for: `NSE:INFY`."""
        return f"{self.exchange}:{self.symbol}"

    @property
    def is_option(self) -> bool:
        """Say whether this is a call or a put."""
        return self.kind >= Kind.CALL

    @property
    def is_tradable(self) -> bool:
        """Say whether orders for this are taken."""
        return self.kind is not Kind.INDEX


class TokenRegistry:
    """Exchange tokens in order of asking, for ever the same one for the same contract."""

    def __init__(self) -> None:
        self._tokens: dict[str, int] = {}
        self._next = dict(FIRST_EXCHANGE_TOKEN)

    def token(self, exchange: str, symbol: str) -> int:
        """Return the exchange token of `symbol`, a new one at first sight."""
        key = f"{exchange}:{symbol}"
        if key not in self._tokens:
            self._tokens[key] = self._next[exchange]
            self._next[exchange] += 1
        return self._tokens[key]


@dataclass(frozen=True, slots=True)
class Listing:
    """Every live instrument: indices, equities, futures, then options; one row each."""

    contracts: tuple[Contract, ...]
    groups: tuple[Group, ...]
    row_of_token: dict[int, int] = field(repr=False)
    row_of_key: dict[str, int] = field(repr=False)
    token: npt.NDArray[np.int64] = field(repr=False)
    kind: npt.NDArray[np.int64] = field(repr=False)
    asset: npt.NDArray[np.int64] = field(repr=False)
    group: npt.NDArray[np.int64] = field(repr=False)
    strike: npt.NDArray[np.float64] = field(repr=False)
    tick_paise: npt.NDArray[np.int64] = field(repr=False)
    lot_size: npt.NDArray[np.int64] = field(repr=False)
    expiry_s: npt.NDArray[np.int64] = field(repr=False)

    def find(self, text: str) -> int | None:
        """Return the row of `EXCHANGE:SYMBOL`, of a numeric token or of a bare symbol."""
        if text in self.row_of_key:
            return self.row_of_key[text]
        if text.isdecimal() and len(text) <= TOKEN_DIGITS_MAX:
            return self.row_of_token.get(int(text))
        rows = (row for row, found in enumerate(self.contracts) if found.symbol == text)
        return next(rows, None)


def list_contracts(
    assets: Sequence[Asset],
    centres: Sequence[float],
    strikes_each_side: int,
    now_s: int,
    registry: TokenRegistry,
) -> Listing:
    """Return everything listed at `now_s`, strikes laid round each asset's price in `centres`."""
    groups = tuple(
        Group(number, expiry)
        for number, asset in enumerate(assets)
        if asset.derivatives is not None
        for expiry in live_expiries(asset.derivatives.rule, now_s)
    )
    contracts = [
        *(_spot(number, asset) for number, asset in enumerate(assets)),
        *_futures(assets, groups, registry),
        *_options(assets, groups, centres, strikes_each_side, registry),
    ]
    contracts.sort(key=lambda contract: min(contract.kind, Kind.CALL))
    return _columns(tuple(contracts), groups)


def _columns(contracts: tuple[Contract, ...], groups: tuple[Group, ...]) -> Listing:
    def column(values: list[int]) -> npt.NDArray[np.int64]:
        return np.array(values, dtype=np.int64)

    instants = column([group.expiry.instant_s() for group in groups] + [0])
    group = column([found.group for found in contracts])
    return Listing(
        contracts=contracts,
        groups=groups,
        row_of_token={found.token: row for row, found in enumerate(contracts)},
        row_of_key={found.key: row for row, found in enumerate(contracts)},
        token=column([found.token for found in contracts]),
        kind=column([found.kind for found in contracts]),
        asset=column([found.asset for found in contracts]),
        group=group,
        strike=np.array([found.strike for found in contracts], dtype=np.float64),
        tick_paise=column([found.tick_paise for found in contracts]),
        lot_size=column([found.lot_size for found in contracts]),
        expiry_s=instants[group],
    )


def _spot(number: int, asset: Asset) -> Contract:
    return Contract(
        token=asset.exchange_token * SEGMENTS_PER_TOKEN + asset.segment,
        exchange_token=asset.exchange_token,
        symbol=asset.symbol,
        name=asset.company,
        exchange=asset.exchange,
        segment="INDICES" if asset.is_index else asset.exchange,
        kind=Kind.INDEX if asset.is_index else Kind.EQUITY,
        asset=number,
        tick_paise=asset.tick_paise,
        lot_size=0 if asset.is_index else 1,
    )


def _futures(
    assets: Sequence[Asset], groups: Sequence[Group], registry: TokenRegistry
) -> Iterator[Contract]:
    listed: dict[int, int] = {}
    for number, group in enumerate(groups):
        terms = _terms(assets[group.asset])
        if not group.expiry.monthly or listed.get(group.asset, 0) >= terms.futures:
            continue
        listed[group.asset] = listed.get(group.asset, 0) + 1
        yield _derivative(assets, number, group, Kind.FUTURE, 0.0, registry)


def _options(
    assets: Sequence[Asset],
    groups: Sequence[Group],
    centres: Sequence[float],
    strikes_each_side: int,
    registry: TokenRegistry,
) -> Iterator[Contract]:
    for number, group in enumerate(groups):
        step = _terms(assets[group.asset]).strike_step
        centre = round(centres[group.asset] / step)
        for rung in range(max(centre - strikes_each_side, 1), centre + strikes_each_side + 1):
            for kind in (Kind.CALL, Kind.PUT):
                yield _derivative(assets, number, group, kind, rung * step, registry)


def _derivative(  # one row of the dump
    assets: Sequence[Asset],
    number: int,
    group: Group,
    kind: Kind,
    strike: float,
    registry: TokenRegistry,
) -> Contract:
    asset = assets[group.asset]
    terms = _terms(asset)
    future = kind is Kind.FUTURE
    ending = "FUT" if future else f"{strike:.10g}{'CE' if kind is Kind.CALL else 'PE'}"
    symbol = f"{asset.name}{group.expiry.code()}{ending}"
    exchange_token = registry.token(terms.exchange, symbol)
    return Contract(
        token=exchange_token * SEGMENTS_PER_TOKEN + terms.segment,
        exchange_token=exchange_token,
        symbol=symbol,
        name=asset.name,
        exchange=terms.exchange,
        segment=f"{terms.exchange}-{'FUT' if future else 'OPT'}",
        kind=kind,
        asset=group.asset,
        group=number,
        strike=strike,
        tick_paise=terms.future_tick_paise if future else OPTION_TICK_PAISE,
        lot_size=terms.lot_size,
        freeze_quantity=terms.freeze_quantity,
    )


def _terms(asset: Asset) -> Derivatives:
    assert asset.derivatives is not None
    return asset.derivatives
