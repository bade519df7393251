"""What the sandbox's exchanges list, with the numbers each contract is made from."""

from __future__ import annotations

from dataclasses import dataclass, replace

from deploy.sandbox.expiry_calendar import THURSDAY, TUESDAY, ExpiryRule

#: Segment byte of an instrument token. Source: kite.trade/docs/connect/v3/websocket (read 2026-11).
SEGMENT_NSE = 1
SEGMENT_NFO = 2
SEGMENT_BSE = 4
SEGMENT_BFO = 5
SEGMENT_INDICES = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivatives:
    """The futures plus options of one underlying.

    `carry` is the yearly growth of the forward, `at_the_money_vol` the yearly volatility the smile
    is built round, both as fractions; ticks in paise, `strike_step` in rupees, lots in units.
    """

    exchange: str
    segment: int
    rule: ExpiryRule
    futures: int
    lot_size: int
    freeze_quantity: int
    strike_step: float
    future_tick_paise: int
    carry: float
    at_the_money_vol: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """One thing with a spot price: an index or an equity; `spot` in rupees, `vol` per year."""

    name: str
    symbol: str
    company: str
    exchange: str
    exchange_token: int
    segment: int
    tick_paise: int
    spot: float
    vol: float
    derivatives: Derivatives | None = None

    @property
    def is_index(self) -> bool:
        """Say whether this is an index, which has a level yet no book."""
        return self.segment == SEGMENT_INDICES


OPTION_TICK_PAISE = 5
VIX_NAME = "INDIA VIX"
VIX_BASE = 13.5

#: Lots, steps, freezes. Source: an instruments dump of August 2026; the freeze of SENSEX is ours.
_NIFTY = Derivatives(
    exchange="NFO",
    segment=SEGMENT_NFO,
    rule=ExpiryRule(TUESDAY, weeklies=4, monthlies=3),
    futures=3,
    lot_size=65,
    freeze_quantity=1800,
    strike_step=50.0,
    future_tick_paise=10,
    carry=0.058,
    at_the_money_vol=0.125,
)
_BANKNIFTY = Derivatives(
    exchange="NFO",
    segment=SEGMENT_NFO,
    rule=ExpiryRule(TUESDAY, weeklies=0, monthlies=3),
    futures=3,
    lot_size=30,
    freeze_quantity=900,
    strike_step=100.0,
    future_tick_paise=20,
    carry=0.061,
    at_the_money_vol=0.145,
)
_SENSEX = Derivatives(
    exchange="BFO",
    segment=SEGMENT_BFO,
    rule=ExpiryRule(THURSDAY, weeklies=4, monthlies=3),
    futures=3,
    lot_size=20,
    freeze_quantity=1000,
    strike_step=100.0,
    future_tick_paise=5,
    carry=0.057,
    at_the_money_vol=0.128,
)


def _index(
    name: str, symbol: str, exchange: str, exchange_token: int, spot: float, vol: float
) -> Asset:  # fmt: skip
    return Asset(
        name=name,
        symbol=symbol,
        company=symbol,
        exchange=exchange,
        exchange_token=exchange_token,
        segment=SEGMENT_INDICES,
        tick_paise=1,
        spot=spot,
        vol=vol,
    )


def _equity(
    symbol: str, company: str, exchange_token: int, tick_paise: int, spot: float, vol: float
) -> Asset:
    return Asset(
        name=symbol,
        symbol=symbol,
        company=company,
        exchange="NSE",
        exchange_token=exchange_token,
        segment=SEGMENT_NSE,
        tick_paise=tick_paise,
        spot=spot,
        vol=vol,
    )


#: Index and equity tokens are the exchanges' real ones. Source: public instruments dumps (2026).
ASSETS: tuple[Asset, ...] = (
    replace(_index("NIFTY", "NIFTY 50", "NSE", 1001, 24_650.0, 0.12), derivatives=_NIFTY),
    replace(_index("BANKNIFTY", "NIFTY BANK", "NSE", 1016, 55_300.0, 0.14), derivatives=_BANKNIFTY),
    replace(_index("SENSEX", "SENSEX", "BSE", 1, 80_900.0, 0.12), derivatives=_SENSEX),
    _index(VIX_NAME, VIX_NAME, "NSE", 1035, VIX_BASE, 0.80),
    _equity("INFY", "INFOSYS", 1594, 10, 1_520.0, 0.24),
    _equity("RELIANCE", "RELIANCE INDUSTRIES", 2885, 10, 1_410.0, 0.22),
    _equity("HDFCBANK", "HDFC BANK", 1333, 5, 985.0, 0.19),
    _equity("ICICIBANK", "ICICI BANK", 4963, 10, 1_380.0, 0.20),
    _equity("SBIN", "STATE BANK OF INDIA", 3045, 5, 890.0, 0.23),
    _equity("TCS", "TATA CONSULTANCY SERV LT", 11536, 10, 3_080.0, 0.21),
)
