"""The broker's view of an order, put together from sightings in any order.

Socket, poll and postback repeat, overtake and omit. Sightings of one order have a total order:
ended beats living, then the larger fill, then the later exchange time, then the later sighting.
The newest by that order is the view, so no shuffling or repeating of sightings changes where it
ends.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from executor.rules.lifecycle import Step
from shared.errors import MessageError
from shared.wire.decimals import is_sane

#: Source: kite.trade/docs/connect/v3/orders (read 2026-11). The set of statuses is open-ended: one
#: that is not listed here is a living order.
_ENDED: Final = {
    "COMPLETE": Step.SEEN_COMPLETE,
    "CANCELLED": Step.SEEN_CANCELLED,
    "REJECTED": Step.SEEN_REJECTED,
}
_ENTERING: Final = frozenset(
    {"PUT ORDER REQ RECEIVED", "VALIDATION PENDING", "OPEN PENDING", "AMO REQ RECEIVED"}
)
#: Status of a postback that tells of a fill or a modification of an open order.
_UPDATE: Final = "UPDATE"
_VERSION_DIGITS: Final = 16


class BrokerOrder(msgspec.Struct, frozen=True, kw_only=True):
    """One sighting of an order, in Kite's names; `observed_us` is when we saw it."""

    order_id: str
    status: str
    quantity: int = 0
    filled_quantity: int = 0
    pending_quantity: int = 0
    cancelled_quantity: int = 0
    disclosed_quantity: int = 0
    variety: str = "regular"
    exchange: str = ""
    tradingsymbol: str = ""
    transaction_type: str = ""
    product: str = ""
    order_type: str = ""
    validity: str = ""
    price: Decimal = Decimal(0)
    trigger_price: Decimal = Decimal(0)
    average_price: Decimal = Decimal(0)
    tag: str | None = None
    tags: tuple[str, ...] = ()
    parent_order_id: str | None = None
    status_message: str | None = None
    order_timestamp: str | None = None
    exchange_update_timestamp: str | None = None
    observed_us: int = 0
    #: Only of several orders taken together: the quantity of those that the broker took.
    accepted_quantity: int = 0

    @property
    def is_terminal(self) -> bool:
        """Tell whether the order has ended."""
        return self.status in _ENDED

    @property
    def step(self) -> Step:
        """Return what the sighting means to the placement behind it."""
        if self.status in _ENTERING:
            return Step.SEEN_ENTERING
        return _ENDED.get(self.status, Step.SEEN_OPEN)

    @property
    def marks(self) -> tuple[str, ...]:
        """Return every tag the row carries; the broker adds tags of its own."""
        return tuple(dict.fromkeys(filter(None, (self.tag, *self.tags))))

    @property
    def version(self) -> str:
        """Return a hash of what a modify would be based on."""
        seen = (
            self.status,
            *(self.quantity, self.filled_quantity, self.disclosed_quantity),
            *(self.order_type, self.validity),
            *(str(each.normalize()) for each in (self.price, self.trigger_price)),
        )
        return hashlib.sha256(msgspec.json.encode(seen)).hexdigest()[:_VERSION_DIGITS]


_ROW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ORDER = msgspec.json.Decoder(BrokerOrder)
_ENCODER = msgspec.json.Encoder(decimal_format="string")
_NULL: Final = b"null"
#: Fields that may be null, which means something other than absent only here.
_NULLABLE: Final = frozenset(
    {"tag", "parent_order_id", "status_message", "order_timestamp", "exchange_update_timestamp"}
)


def parse_row(row: bytes, *, observed_us: int) -> BrokerOrder:
    """Read Kite's own order row; fields it leaves out or sets to null take their defaults.

    Raises:
        MessageError: it is not an order row; names field and rule.
    """
    try:
        fields = _ROW.decode(row)
        kept = {
            name: value
            for name, value in fields.items()
            if bytes(value) != _NULL or name in _NULLABLE
        }
        order = _ORDER.decode(msgspec.json.encode(kept))
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MessageError(f"order row: {error}") from error
    if not all(map(is_sane, (order.price, order.trigger_price, order.average_price))):
        raise MessageError(f"order row {order.order_id}: a price is no number of sensible size")
    status = "OPEN" if order.status == _UPDATE else order.status
    return replace(order, status=status, observed_us=observed_us)


def merge(known: BrokerOrder | None, seen: BrokerOrder) -> BrokerOrder:
    """Return the view after a sighting; it is `known` itself where nothing newer was seen."""
    if known is None:
        return seen
    assert known.order_id == seen.order_id, "sightings of two orders"
    if (new := _rank(seen)) != (old := _rank(known)):
        return seen if new > old else known
    # Told twice in one moment: any order will do that is the same for all who compare.
    return seen if dump(seen) > dump(known) else known


def is_news(known: BrokerOrder | None, merged: BrokerOrder) -> bool:
    """Tell whether the view differs in anything but when it was seen."""
    if known is None:
        return True
    return known is not merged and replace(known, observed_us=merged.observed_us) != merged


def dump(order: BrokerOrder) -> str:
    """Return the view as the journal keeps it."""
    return _ENCODER.encode(order).decode()


def load(text: str) -> BrokerOrder:
    """Return a view that was dumped."""
    return _ORDER.decode(text)


def _rank(order: BrokerOrder) -> tuple[bool, int, str, bool, int]:
    return (
        order.is_terminal,
        order.filled_quantity,
        order.exchange_update_timestamp or "",
        order.status not in _ENTERING,
        order.observed_us,
    )
