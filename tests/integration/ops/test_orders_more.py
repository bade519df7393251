"""Commands of every other kind, as typed, on the real stream."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from shared.wire.families import Basket, Exit
from shared.wire.gtt import Convert, GttDelete, GttModify, GttPlace
from shared.wire.switching import Halt
from tests.integration.ops.test_orders import desk, sent  # noqa: F401  # a fixture of theirs

INSTRUMENT = ("--exchange", "NSE", "--symbol", "INFY")
TRIGGER = (
    *INSTRUMENT,
    *("--side", "sell", "--quantity", "2", "--product", "cnc", "--last-price", "1500"),
    *("--trigger", "1400", "1399.5"),
)


def one(desk, kind, *words: str):  # noqa: F811
    result = desk.run(*words)
    assert result.exit_code == 0, result.stderr
    (command,) = sent(desk)
    assert isinstance(command, kind)
    return command


def test_exit_closes_by_market_unless_a_price_is_given(desk) -> None:  # noqa: F811
    command = one(desk, Exit, "orders", "exit", *INSTRUMENT, "--product", "mis", "--quantity", "3")
    assert (command.order_type, command.quantity, command.price) == ("MARKET", 3, None)


def test_conversion_names_both_products(desk) -> None:  # noqa: F811
    words = (
        "--side",
        "buy",
        "--position",
        "day",
        "--quantity",
        "1",
        "--from",
        "mis",
        "--to",
        "cnc",
    )
    command = one(desk, Convert, "orders", "convert", *INSTRUMENT, *words)
    assert (command.old_product, command.new_product) == ("MIS", "CNC")


def test_basket_is_read_from_a_file_of_legs(desk, tmp_path: Path) -> None:  # noqa: F811
    leg = {
        "exchange": "NSE",
        "tradingsymbol": "INFY",
        "transaction_type": "BUY",
        "quantity": 1,
        "product": "CNC",
        "order_type": "LIMIT",
        "price": "1450",
    }
    file = tmp_path / "legs.json"
    file.write_text(json.dumps([leg, leg]))
    command = one(desk, Basket, "orders", "basket", str(file), "--policy", "sequential")
    assert (len(command.legs), command.policy) == (2, "sequential")


def test_any_command_can_be_sent_as_json(desk, tmp_path: Path) -> None:  # noqa: F811
    file = tmp_path / "command.json"
    file.write_text('{"kind": "halt", "command_id": "halt-0001", "by": "me"}')
    assert one(desk, Halt, "orders", "send", str(file)).by == "me"


@pytest.mark.parametrize("text", ["{", '{"kind": "halt", "command_id": "halt-0001"}'])
def test_json_that_is_no_command_is_refused_before_it_is_sent(
    desk,  # noqa: F811
    tmp_path: Path,
    text: str,
) -> None:
    file = tmp_path / "command.json"
    file.write_text(text)
    result = desk.run("orders", "send", str(file))
    assert result.exit_code == 2
    assert sent(desk) == []


def test_trigger_is_placed_modified_and_deleted_by_hand(desk) -> None:  # noqa: F811
    for words in (
        ("gtt", "place", *TRIGGER, "--trigger", "1600", "1599"),
        ("gtt", "modify", "123", *TRIGGER),
        ("gtt", "delete", "123"),
    ):
        result = desk.run(*words)
        assert result.exit_code == 0, result.stderr
    placed, modified, deleted = sent(desk)
    assert isinstance(placed, GttPlace)
    assert (placed.trigger_type, placed.trigger_values) == (
        "two-leg",
        [Decimal(1400), Decimal(1600)],
    )
    assert placed.orders[1].price == Decimal(1599)
    assert isinstance(modified, GttModify)
    assert (modified.trigger_id, modified.trigger_type) == (123, "single")
    assert deleted == GttDelete(
        command_id=deleted.command_id, trigger_id=123, valid_until_us=deleted.valid_until_us
    )
