"""One account's orders from acceptance to their end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from deploy.sandbox import orders as life
from deploy.sandbox.contracts import Contract
from deploy.sandbox.conversion import converted
from deploy.sandbox.ids import IdMint
from deploy.sandbox.limits import MINUTE_S, MODIFICATIONS_PER_ORDER_MAX
from deploy.sandbox.margins import OPENING_CASH_PAISE, Purse, price_band, required_paise
from deploy.sandbox.market import Market
from deploy.sandbox.market_clock import NS_PER_S, MarketClock
from deploy.sandbox.matching import (
    PAISE_PER_RUPEE,
    Fill,
    Side,
    is_triggered,
    match,
    protected_limit,
    protection_percent,
)
from deploy.sandbox.order_rules import Form, changed_ticket, read_ticket
from deploy.sandbox.orders import Order, Status, Ticket
from deploy.sandbox.refusals import (
    being_processed,
    not_enough_money,
    too_many_orders,
    unknown_order,
)

#: Called with the order and the word of its update, which is UPDATE for a change in between.
Listener = Callable[[Order, str], None]


@dataclass(frozen=True, slots=True)
class Trade:
    """One fill of an order; price in paise, time in Unix seconds."""

    trade_id: str
    order: Order
    price: int
    quantity: int
    at_s: int


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else befalls a fresh order: delays by a fault in seconds, tags by the broker."""

    hidden_s: float = 0.0
    stuck_s: float = 0.0
    tags: tuple[str, ...] = ()


ORDINARY = Circumstances()


class Desk:
    """Takes, changes, cancels and fills the orders of one account."""

    def __init__(
        self, user_id: str, market: Market, clock: MarketClock, mint: IdMint, listener: Listener
    ) -> None:
        self._user_id = user_id
        self._market = market
        self._clock = clock
        self._mint = mint
        self._listener = listener
        self._histories: dict[str, list[Order]] = {}
        self._stuck: dict[str, float] = {}
        self._working: dict[str, None] = {}
        self._purse = Purse()
        self.trades: list[Trade] = []
        #: The same under the products that conversions have given them: what positions are made of.
        self.booked: list[Trade] = []

    def place(self, variety: str, form: Form, circumstances: Circumstances = ORDINARY) -> str:
        """Take an order and return its id; what can trade at once has traded on return.

        Raises:
            KiteRejected: the form breaks a rule, or the account's cash does not cover it.
        """
        now_ns = self._clock.now_ns()
        now_s = now_ns // NS_PER_S
        contract = self._contract(form.get("exchange", ""), form.get("tradingsymbol", ""))
        ticket = read_ticket(variety, form, contract)
        assert contract is not None
        self._check_cash(ticket, contract)
        order = self._new(replace(ticket, tags=circumstances.tags))
        order = replace(order, visible_from_s=now_ns / NS_PER_S + circumstances.hidden_s)
        self._record(order)
        if order.status is Status.AFTER_MARKET:
            self._listener(order, order.status)
        elif circumstances.stuck_s:
            self._stuck[order.order_id] = now_ns / NS_PER_S + circumstances.stuck_s
        else:
            self._admit(order, now_s)
        return order.order_id

    def modify(self, order_id: str, form: Form) -> str:
        """Change a working order and return its id.

        Raises:
            KiteRejected: there is no such order, it no longer changes, or the change breaks a rule.
        """
        order = self._find(order_id)
        if order.status not in life.CHANGEABLE:
            raise being_processed()
        if order.modifications >= MODIFICATIONS_PER_ORDER_MAX:
            raise too_many_orders()
        now_s = self._clock.now_s()
        contract = self._contract(order.ticket.exchange, order.ticket.symbol)
        ticket = changed_ticket(order.ticket, form, contract, order.filled)
        ticket = replace(ticket, tags=order.ticket.tags)
        if order.status is Status.AFTER_MARKET:
            order = replace(order, ticket=ticket, modifications=order.modifications + 1)
            self._record(life.advance(order, Status.AFTER_MARKET, now_s))
            return order_id
        for status in (Status.MODIFY_VALIDATION_PENDING, Status.MODIFY_PENDING, Status.MODIFIED):
            order = self._record(life.advance(order, status, now_s))
        changed = self._unprotected(
            replace(order, ticket=ticket, modifications=order.modifications + 1)
        )
        order = self._record(life.advance(changed, _resting(changed.ticket), now_s))
        self._listener(order, "UPDATE")
        self._work(order, now_s)
        return order_id

    def cancel(self, order_id: str) -> str:
        """Cancel a working order and return its id.

        Raises:
            KiteRejected: there is no such order, or it has ended.
        """
        order = self._find(order_id)
        if order.status not in life.CHANGEABLE:
            raise being_processed()
        now_s = self._clock.now_s()
        if order.parent_order_id and order.ticket.variety == "co":
            # The second leg of a cover order is not given up: its position is closed.
            self._work(self._wake(order, now_s), now_s)
            return order_id
        if order.status is not Status.AFTER_MARKET:
            order = self._record(life.advance(order, Status.CANCEL_PENDING, now_s))
        self._end(order, Status.CANCELLED, now_s)
        return order_id

    def convert(self, form: Form, quantity: int) -> None:
        """Book `quantity` units of a position under another product.

        Raises:
            KiteRejected: the position is not that large, or not on that side.
        """
        self.booked = converted(self.booked, form, quantity)

    def release_after_market(self) -> None:
        """Send the after-market orders to the exchange, as the broker does before the open."""
        now_s = self._clock.now_s()
        for order in self.every_order():
            if order.status is Status.AFTER_MARKET:
                self._admit(self._record(life.advance(order, Status.RECEIVED, now_s)), now_s)

    def on_market(self) -> None:
        """Let every working order meet the books as they are now."""
        now_ns = self._clock.now_ns()
        for order_id, until_s in list(self._stuck.items()):
            if now_ns >= until_s * NS_PER_S:
                del self._stuck[order_id]
                self._admit(self._find(order_id), now_ns // NS_PER_S)
        for order_id in list(self._working):
            self._work(self._find(order_id), now_ns // NS_PER_S)

    def new_day(self) -> None:
        """Forget yesterday's orders with their trades, as the broker's book does."""
        kept = [order for order in self.every_order() if order.status is Status.AFTER_MARKET]
        self._histories.clear()
        self._working.clear()
        self._stuck.clear()
        self._purse = Purse()
        self.trades.clear()
        self.booked.clear()
        self._histories.update({order.order_id: [order] for order in kept})
        self.release_after_market()

    def orders(self) -> list[Order]:
        """Return the newest state of every order that may be seen, oldest order first."""
        now_s = self._clock.now_ns() / NS_PER_S
        newest = (history[-1] for history in self._histories.values())
        return [order for order in newest if order.visible_from_s <= now_s]

    def every_order(self) -> list[Order]:
        """Return the newest state of every order, hidden ones included."""
        return [history[-1] for history in self._histories.values()]

    def history(self, order_id: str) -> list[Order]:
        """Return an order's states, oldest first.

        Raises:
            KiteRejected: there is no such order to be seen.
        """
        order = self._find(order_id)
        if order.visible_from_s > self._clock.now_ns() / NS_PER_S:
            raise unknown_order()
        return list(self._histories[order_id])

    def blocked_paise(self) -> int:
        """Return the money tied up in positions plus working orders."""
        return self._purse.blocked_paise(self._market)

    def _new(self, ticket: Ticket, parent_order_id: str | None = None) -> Order:
        now_ns = self._clock.now_ns()
        now_s = now_ns // NS_PER_S
        status = Status.AFTER_MARKET if ticket.variety == "amo" else Status.RECEIVED
        return Order(
            order_id=self._mint.order_id(now_ns),
            user_id=self._user_id,
            ticket=ticket,
            status=status,
            placed_s=now_s,
            updated_s=now_s,
            parent_order_id=parent_order_id,
        )

    def _contract(self, exchange: str, symbol: str) -> Contract | None:
        found = self._market.contract(exchange, symbol)
        return None if found is None else found[1]

    def _find(self, order_id: str) -> Order:
        history = self._histories.get(order_id)
        if history is None:
            raise unknown_order()
        return history[-1]

    def _record(self, order: Order) -> Order:
        self._histories.setdefault(order.order_id, []).append(order)
        if order.status in life.WORKING:
            self._working[order.order_id] = None
            self._hold(order)
        elif order.is_terminal:
            self._working.pop(order.order_id, None)
            self._purse.release(order)
        return order

    def _hold(self, order: Order) -> None:
        contract = self._contract(order.ticket.exchange, order.ticket.symbol)
        if contract is not None:
            needed = required_paise(order.ticket, contract, order.pending, self._market)
            self._purse.hold(order, needed)

    def _check_cash(self, ticket: Ticket, contract: Contract) -> None:
        required = required_paise(ticket, contract, ticket.quantity, self._market)
        available = OPENING_CASH_PAISE - self.blocked_paise()
        if required > available:
            raise not_enough_money(required / PAISE_PER_RUPEE, available / PAISE_PER_RUPEE)

    def _admit(self, order: Order, now_s: int) -> None:
        """Take a received order through validation to the exchange."""
        order = self._record(life.advance(order, Status.VALIDATION_PENDING, now_s))
        order = self._record(life.advance(self._unprotected(order), Status.OPEN_PENDING, now_s))
        refusal = self._exchange_refusal(order.ticket)
        if refusal:
            rejected = self._record(life.refuse(order, refusal, f"16283 : {refusal}", now_s))
            self._listener(rejected, rejected.status)
            return
        order = replace(order, exchange_order_id=self._mint.exchange_order_id(), exchange_s=now_s)
        order = self._record(life.advance(order, _resting(order.ticket), now_s))
        self._listener(order, order.status)
        self._work(order, now_s)

    def _exchange_refusal(self, ticket: Ticket) -> str:
        found = self._market.contract(ticket.exchange, ticket.symbol)
        if found is None:
            return "The contract is not listed any more"
        lower, upper = price_band(found[0], self._market)
        if ticket.price and not lower <= ticket.price <= upper:
            return "The price is out of the current execution range"
        return ""

    def _unprotected(self, order: Order) -> Order:
        """Return a protected market order as the limit order the broker makes of it."""
        ticket = order.ticket
        found = self._market.contract(ticket.exchange, ticket.symbol)
        if ticket.order_type != "MARKET" or found is None:
            return order
        row, contract = found
        book = self._market.book(row)
        percent = protection_percent(ticket.market_protection, book.last, option=contract.is_option)
        limit = replace(
            ticket,
            order_type="LIMIT",
            price=protected_limit(ticket.side, percent, book),
            tags=tuple(dict.fromkeys((*ticket.tags, "mktp", f"mktp:{percent:.2f}"))),
        )
        return replace(order, ticket=limit)

    def _work(self, order: Order, now_s: int) -> None:
        """Trigger, fill or end one working order against the book as it is."""
        found = self._market.contract(order.ticket.exchange, order.ticket.symbol)
        if found is None or _is_out_of_time(order, now_s):
            self._end(order, Status.CANCELLED, now_s)
            return
        row, contract = found
        book = self._market.book(row)
        if order.status is Status.TRIGGER_PENDING:
            if not is_triggered(order.ticket.side, order.ticket.trigger_price, book.last):
                return
            order = self._wake(order, now_s)
        fills = match(order.ticket.side, order.pending, order.ticket.price, book)
        if fills:
            order = self._fill(order, contract, fills, now_s)
        if order.ticket.validity == "IOC" and not order.is_terminal:
            self._end(order, Status.CANCELLED, now_s)

    def _fill(self, order: Order, contract: Contract, fills: tuple[Fill, ...], now_s: int) -> Order:
        order = self._record(life.fill(order, fills, now_s))
        for done in fills:
            self._purse.trade(order.ticket, contract, done)
            trade_id = self._mint.trade_id()
            trade = Trade(trade_id, order, done.price, done.quantity, now_s)
            self.trades.append(trade)
            self.booked.append(trade)
        self._listener(order, order.status if order.is_terminal else "UPDATE")
        following = following_ticket(order.ticket) if order.status is Status.COMPLETE else None
        if following is not None and order.parent_order_id is None:
            parent = order.order_id if following.variety == "co" else None
            self._admit(self._record(self._new(following, parent)), now_s)
        return order

    def _wake(self, order: Order, now_s: int) -> Order:
        if order.ticket.order_type == "SL-M":
            market = replace(order, ticket=replace(order.ticket, order_type="MARKET"))
            order = self._unprotected(market)
        order = self._record(life.advance(order, Status.OPEN, now_s))
        self._listener(order, "UPDATE")
        return order

    def _end(self, order: Order, status: Status, now_s: int) -> None:
        order = self._record(life.advance(order, status, now_s))
        self._listener(order, order.status)


def following_ticket(ticket: Ticket) -> Ticket | None:
    """Return what goes out once an order has traded: the next leg, or the stop of a cover order."""
    if ticket.variety == "co":
        side: Side = "SELL" if ticket.side == "BUY" else "BUY"
        return replace(ticket, side=side, order_type="SL-M", price=0, market_protection=-1.0)
    if ticket.iceberg is None or not ticket.iceberg.remaining:
        return None
    leg = replace(ticket.iceberg, leg=ticket.iceberg.leg + 1)
    return replace(ticket, iceberg=leg, quantity=min(leg.leg_quantity, ticket.iceberg.remaining))


def _resting(ticket: Ticket) -> Status:
    return Status.TRIGGER_PENDING if ticket.order_type in {"SL", "SL-M"} else Status.OPEN


def _is_out_of_time(order: Order, now_s: int) -> bool:
    ticket = order.ticket
    return ticket.validity == "TTL" and now_s >= order.placed_s + ticket.validity_ttl * MINUTE_S
