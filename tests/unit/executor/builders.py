"""Values of the executor with only what matters said."""

from __future__ import annotations

from decimal import Decimal

from executor.journal.asked import exposure_of
from executor.rules.facts import Facts, Limits
from executor.rules.reducer import BrokerOrder
from executor.rules.tag import tag_of
from shared.store.rows import CommandRow
from shared.wire.codec import encode
from shared.wire.orders import Cancel, Modify, Place, State

NOW_US = 1_790_000_000_000_000
LIMITS = Limits(placements_per_day_max=100, modifications_max=24, target_wait_us=60_000_000)


def a_place(**facts):
    return Place(
        **{
            "command_id": "command-1",
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            "transaction_type": "BUY",
            "quantity": 1,
            "product": "CNC",
            "order_type": "LIMIT",
            "price": Decimal("101.50"),
            **facts,
        }
    )


def a_modify(**facts):
    return Modify(
        **{"command_id": "command-2", "target_command_id": "command-1", "quantity": 2, **facts}
    )


def a_cancel(**facts):
    return Cancel(**{"command_id": "command-3", "target_command_id": "command-1", **facts})


def an_order(**facts):
    return BrokerOrder(
        **{
            "order_id": "1",
            "status": "OPEN",
            "quantity": 10,
            "pending_quantity": 10,
            "order_type": "LIMIT",
            "price": Decimal("101.50"),
            "exchange": "NSE",
            "tradingsymbol": "INFY",
            **facts,
        }
    )


def a_row(command=None, **facts):
    command = command or a_place()
    kind = str(type(command).__struct_config__.tag)
    return CommandRow(
        **{
            "command_id": command.command_id,
            "serial": 1,
            "kind": kind,
            "fingerprint": b"",
            "encoding": "json",
            "payload": encode(command)[b"json"],
            "priority": 0 if kind == "cancel" else 1,
            "strategy_id": command.strategy_id,
            "state": State.RECEIVED,
            "exposure": exposure_of(command),
            "target_command_id": getattr(command, "target_command_id", None),
            "order_id": getattr(command, "order_id", None),
            "tag": None,
            "attempts": 0,
            "reason": None,
            "valid_until_us": command.valid_until_us,
            "received_us": NOW_US,
            "sending_us": None,
            "changed_us": NOW_US,
            "is_open": True,
            **facts,
        }
    )


def a_placement(state=State.OPEN, **facts):
    """Return the row of a placement that has been sent."""
    sent = {
        "state": state,
        "tag": tag_of("AB1234", "command-1"),
        "order_id": "1",
        "sending_us": NOW_US,
        **facts,
    }
    return a_row(a_place(), **sent)


def facts_of(command, **facts):
    row = facts.pop("row", None) or a_row(command)
    return Facts(**{"row": row, "command": command, "now_us": NOW_US, "limits": LIMITS, **facts})
