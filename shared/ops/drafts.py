"""Order commands from what was typed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, TypeVar

import click
import msgspec

from shared.wire.decimals import paise
from shared.wire.orders import Cancel, Command, Modify, Place

C = TypeVar("C", bound=Command)

_NS_PER_MS: Final = 1_000_000
_NS_PER_US: Final = 1000
_UUID7: Final = 7
#: Fields whose flags are called otherwise.
FLAGS: Final[Mapping[str, str]] = {
    "tradingsymbol": "--symbol",
    "transaction_type": "--side",
    "order_type": "--type",
    "target_command_id": "--target",
    "strategy_id": "--strategy",
    "validity_ttl_minutes": "--ttl-minutes",
}
_PRICES: Final = ("price", "trigger_price")
_LIMITED: Final = frozenset({"LIMIT", "SL"})
_TRIGGERED: Final = frozenset({"SL", "SL-M"})


def draft(kind: type[C], typed: Mapping[str, Any]) -> C:
    """Return the command; what was not typed keeps its default.

    Raises:
        click.UsageError: names the flag and the rule.
    """
    values = {name: value for name, value in typed.items() if value is not None}
    for name in _PRICES:
        if name in values:
            values[name] = _price(name, values[name])
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        rule, _, path = str(error).partition(" - at `$.")
        raise click.UsageError(f"{flag(path.rstrip('`'))}: {rule}") from error


def check_place(order: Place) -> None:
    """Refuse an order whose prices do not belong to its type.

    Raises:
        click.UsageError: names the flag and the rule.
    """
    for name, price, types in (
        ("--price", order.price, _LIMITED),
        ("--trigger-price", order.trigger_price, _TRIGGERED),
    ):
        if order.variety == "co" and name == "--trigger-price":
            continue  # the stop of its second leg
        if (price is not None) != (order.order_type in types):
            needs = "needs" if order.order_type in types else "has no"
            raise click.UsageError(f"a {order.order_type} order {needs} {name}")
    if (order.validity == "TTL") != (order.validity_ttl_minutes is not None):
        raise click.UsageError("--ttl-minutes belongs to --validity TTL, either needs the other")


def check_target(command: Modify | Cancel) -> None:
    """Refuse a command that names no order, or two.

    Raises:
        click.UsageError: says so.
    """
    if (command.target_command_id is None) == (command.order_id is None):
        raise click.UsageError("name the order by --target or by --order-id, one of them")


def check_change(command: Modify) -> None:
    """Refuse a modify that changes nothing.

    Raises:
        click.UsageError: says so.
    """
    changes = (
        *(command.quantity, command.price, command.trigger_price, command.order_type),
        *(command.validity, command.disclosed_quantity, command.market_protection),
    )
    if all(change is None for change in changes):
        raise click.UsageError("what is to change? Give --quantity, --price or another of --help")


def flag(name: str) -> str:
    """Return the flag with which a field is typed."""
    return FLAGS.get(name) or "--" + name.replace("_", "-")


def new_command_id(now_ns: int, chance: bytes) -> str:
    """Return a UUIDv7: 48 bits of milliseconds, then 10 bytes of `chance`.

    Source: RFC 9562, section 5.7.
    """
    tail = int.from_bytes(chance[:10], "big")
    number = (now_ns // _NS_PER_MS) << 80 | tail
    number = number & ~(0xF << 76) | _UUID7 << 76
    number = number & ~(0x3 << 62) | 0x2 << 62
    return str(uuid.UUID(int=number))


def made_at_ns(command_id: str) -> int | None:
    """Return when a UUIDv7 was made, in Unix nanoseconds; None for any other id."""
    try:
        known = uuid.UUID(command_id)
    except ValueError:
        return None
    return (known.int >> 80) * _NS_PER_MS if known.version == _UUID7 else None


def valid_until_us(from_ns: int, valid_for_s: float | None) -> int | None:
    """Return the Unix microsecond after which a command is not sent any more."""
    return None if valid_for_s is None else from_ns // _NS_PER_US + round(valid_for_s * 1e6)


def _price(name: str, text: str) -> Decimal:
    try:
        paise(text)
    except ValueError as error:
        raise click.UsageError(f"{flag(name)}: {error}") from error
    return Decimal(text)
