"""Orders, trades, positions in the shapes of the broker's answers."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from deploy.sandbox.desk import Trade
from deploy.sandbox.expiry_calendar import IST
from deploy.sandbox.matching import PAISE_PER_RUPEE
from deploy.sandbox.orders import Order, Ticket

DAY_TIME_FORMAT = "%Y-%m-%d %H:%M:%S"


def india_text(at_s: int | None, form: str = DAY_TIME_FORMAT) -> str | None:
    """Return a Unix second as the broker writes it: India's wall clock without a zone."""
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, tz=UTC).astimezone(IST).strftime(form)


def order_row(order: Order) -> dict[str, Any]:
    """Return an order as `GET /orders` shows it."""
    ticket = order.ticket
    row: dict[str, Any] = {
        "placed_by": order.user_id,
        "account_id": order.user_id,
        "order_id": order.order_id,
        "exchange_order_id": order.exchange_order_id,
        "parent_order_id": order.parent_order_id,
        "status": str(order.status),
        "status_message": order.message,
        "status_message_raw": order.message_raw,
        "order_timestamp": india_text(order.placed_s),
        "exchange_update_timestamp": india_text(order.updated_s if order.exchange_s else None),
        "exchange_timestamp": india_text(order.exchange_s),
        "variety": ticket.variety,
        "modified": order.modifications > 0,
        "exchange": ticket.exchange,
        "tradingsymbol": ticket.symbol,
        "instrument_token": ticket.token,
        "order_type": ticket.order_type,
        "transaction_type": ticket.side,
        "validity": ticket.validity,
        "validity_ttl": ticket.validity_ttl,
        "product": ticket.product,
        "quantity": ticket.quantity,
        "disclosed_quantity": ticket.disclosed_quantity,
        "price": rupees(ticket.price),
        "trigger_price": rupees(ticket.trigger_price),
        "average_price": round(order.average / PAISE_PER_RUPEE, 4),
        "filled_quantity": order.filled,
        "pending_quantity": order.pending,
        "cancelled_quantity": order.cancelled,
        "market_protection": _whole(ticket.market_protection),
        "meta": _meta(ticket),
        "tag": ticket.tag,
        "guid": f"{order.order_id[-5:]}Xsandbox",
    }
    if ticket.auction_number:
        row["auction_number"] = ticket.auction_number
    tags = [*([ticket.tag] if ticket.tag else []), *ticket.tags]
    if tags:
        row["tags"] = tags
    return row


def _meta(ticket: Ticket) -> dict[str, Any]:
    if ticket.iceberg is None:
        return {}
    found = ticket.iceberg
    return {
        "iceberg": {
            "leg": found.leg,
            "legs": found.legs,
            "leg_quantity": found.leg_quantity,
            "total_quantity": found.total,
            "remaining_quantity": found.remaining,
        }
    }


def update_row(order: Order, word: str) -> dict[str, Any]:
    """Return an order as the socket's order updates show it, `word` being its status."""
    # The socket leaves the checksum empty, unlike the HTTP postback of the same shape.
    return {
        **order_row(order),
        "user_id": order.user_id,
        "status": word,
        "unfilled_quantity": order.pending,
        "app_id": 1,
        "checksum": "",
    }


def trade_row(trade: Trade) -> dict[str, Any]:
    """Return a fill as `GET /trades` shows it."""
    ticket = trade.order.ticket
    return {
        "trade_id": trade.trade_id,
        "order_id": trade.order.order_id,
        "exchange": ticket.exchange,
        "tradingsymbol": ticket.symbol,
        "instrument_token": ticket.token,
        "product": ticket.product,
        "average_price": rupees(trade.price),
        "quantity": trade.quantity,
        "exchange_order_id": trade.order.exchange_order_id,
        "transaction_type": ticket.side,
        "fill_timestamp": india_text(trade.at_s),
        "order_timestamp": india_text(trade.order.placed_s, "%H:%M:%S"),
        "exchange_timestamp": india_text(trade.at_s),
    }


def position_rows(
    trades: Iterable[Trade], last: dict[int, tuple[int, int]]
) -> list[dict[str, Any]]:
    """Return the positions the trades make; `last` is (last, close) in paise per token."""
    books: dict[tuple[str, str, str], list[Trade]] = {}
    for trade in trades:
        ticket = trade.order.ticket
        books.setdefault((ticket.exchange, ticket.symbol, ticket.product), []).append(trade)
    return [
        _position(found, last.get(found[0].order.ticket.token, (0, 0))) for found in books.values()
    ]


def _position(trades: list[Trade], prices: tuple[int, int]) -> dict[str, Any]:
    ticket = trades[0].order.ticket
    buys = [trade for trade in trades if trade.order.ticket.side == "BUY"]
    sells = [trade for trade in trades if trade.order.ticket.side == "SELL"]
    bought, bought_value = _total(buys)
    sold, sold_value = _total(sells)
    quantity = bought - sold
    last = prices[0] / PAISE_PER_RUPEE
    value = sold_value - bought_value
    pnl = round(value + quantity * last, 2)
    holding = (bought_value, bought) if quantity > 0 else (sold_value, sold)
    sides = {"buy": (bought, bought_value), "sell": (sold, sold_value)}
    row: dict[str, Any] = {
        "tradingsymbol": ticket.symbol,
        "exchange": ticket.exchange,
        "instrument_token": ticket.token,
        "product": ticket.product,
        "quantity": quantity,
        "overnight_quantity": 0,
        "multiplier": 1,
        "average_price": _mean(*holding) if quantity else 0,
        "close_price": prices[1] / PAISE_PER_RUPEE,
        "last_price": last,
        "value": round(value, 2),
        "pnl": pnl,
        "m2m": pnl,
        "unrealised": pnl,
        "realised": 0,
    }
    for side, (units, rupees_total) in sides.items():
        row[f"{side}_quantity"] = row[f"day_{side}_quantity"] = units
        row[f"{side}_price"] = row[f"day_{side}_price"] = _mean(rupees_total, units)
        row[f"{side}_value"] = row[f"day_{side}_value"] = round(rupees_total, 2)
        row[f"{side}_m2m"] = round(rupees_total, 2)
    return row


def _total(trades: list[Trade]) -> tuple[int, float]:
    paise = sum(trade.quantity * trade.price for trade in trades)
    return sum(trade.quantity for trade in trades), paise / PAISE_PER_RUPEE


def _mean(value: float, units: int) -> float:
    return round(value / units, 4) if units else 0.0


def _whole(number: float) -> float:
    return int(number) if number.is_integer() else number


def rupees(paise: int) -> float:
    """Return a price in rupees; whole prices stay whole, as in the broker's JSON."""
    return paise / PAISE_PER_RUPEE if paise % PAISE_PER_RUPEE else paise // PAISE_PER_RUPEE
