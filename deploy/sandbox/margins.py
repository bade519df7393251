"""What money orders need, as simply as a test needs it."""

from __future__ import annotations

from collections import defaultdict

from deploy.sandbox.contracts import Contract, Kind
from deploy.sandbox.market import Market
from deploy.sandbox.matching import PAISE_PER_RUPEE, Fill
from deploy.sandbox.orders import Order, Ticket

#: Every account starts its day with a hundred crore rupees.
OPENING_CASH_PAISE = 100_00_00_00_000
NOTIONAL_SHARE = 0.12
CASH_BAND = 0.10
OPTION_BAND_OF_SPOT = 0.25


class Purse:
    """The money of one account: what working orders hold back, what positions tie up."""

    def __init__(self) -> None:
        self._held: dict[str, int] = {}
        self._held_paise = 0
        self._net: defaultdict[int, int] = defaultdict(int)
        self._spent_paise = 0

    def hold(self, order: Order, paise: int) -> None:
        """Set back what a working order still needs, in place of what it needed before."""
        self._held_paise += paise - self._held.pop(order.order_id, 0)
        self._held[order.order_id] = paise

    def release(self, order: Order) -> None:
        """Give back what an order held."""
        self._held_paise -= self._held.pop(order.order_id, 0)

    def trade(self, ticket: Ticket, contract: Contract, fill: Fill) -> None:
        """Book one fill."""
        signed = fill.quantity if ticket.side == "BUY" else -fill.quantity
        self._net[ticket.token] += signed
        if contract.kind is not Kind.FUTURE:
            self._spent_paise += signed * fill.price

    def blocked_paise(self, market: Market) -> int:
        """Return everything that is not free at the prices of now."""
        blocked = float(self._spent_paise + self._held_paise)
        for token, quantity in self._net.items():
            row = market.listing.row_of_token.get(token)
            if row is None:
                continue
            contract = market.listing.contracts[row]
            if contract.kind is Kind.FUTURE or (contract.is_option and quantity < 0):
                blocked += abs(quantity) * _notional_paise(contract, market)
        return round(blocked)


def required_paise(ticket: Ticket, contract: Contract, quantity: int, market: Market) -> int:
    """Return the money `quantity` units of an order tie up: their cost, or a share of notional."""
    if contract.kind is Kind.FUTURE or (contract.is_option and ticket.side == "SELL"):
        return round(_notional_paise(contract, market) * quantity)
    if ticket.side == "SELL":
        return 0
    row = market.listing.row_of_token[contract.token]
    return (ticket.price or int(market.columns.last[row])) * quantity


def price_band(row: int, market: Market) -> tuple[int, int]:
    """Return the lowest plus the highest price in paise the exchange takes for an instrument."""
    contract = market.listing.contracts[row]
    tick = contract.tick_paise
    close = int(market.columns.close[row])
    if contract.is_option:
        away = market.spot(contract.asset) * PAISE_PER_RUPEE * OPTION_BAND_OF_SPOT
    else:
        away = close * CASH_BAND
    lower = max(round((close - away) / tick) * tick, tick)
    return lower, round((close + away) / tick) * tick


def _notional_paise(contract: Contract, market: Market) -> float:
    return market.spot(contract.asset) * PAISE_PER_RUPEE * NOTIONAL_SHARE
