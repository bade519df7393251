"""What an operator types after `tickflow query`, and what is shown."""

from __future__ import annotations

import click
import msgspec
import pytest

from shared.ops.printing import Printer
from shared.ops.query import query_of
from shared.ops.query_view import rows_of, show
from shared.wire import queries as wire


def test_typed_fields_become_a_query_with_lists_by_commas_and_numbers_as_text():
    quote = query_of("quote", ("instruments=NSE:INFY,NSE:NIFTY 50",))
    assert quote.instruments == ("NSE:INFY", "NSE:NIFTY 50")
    candles = query_of(
        "candles",
        ("instrument_token=256265", "interval=day", "begin=2026-11-01 00:00:00",
         "end=2026-11-20 00:00:00", "oi=true"),
    )  # fmt: skip
    assert (candles.instrument_token, candles.oi) == (256265, True)
    assert isinstance(query_of("mf-sips", ()), wire.MfSips)
    order = (
        '[{"exchange":"NSE","tradingsymbol":"INFY","transaction_type":"BUY","variety":"regular",'
        '"product":"CNC","order_type":"LIMIT","quantity":1}]'
    )
    assert query_of("order-margins", (f"orders={order}",)).orders[0].tradingsymbol == "INFY"


@pytest.mark.parametrize(
    ("kind", "fields", "sentence"),
    [
        ("nothing", (), "kind is 'nothing'; it must be one of orders, order_history"),
        ("quote", ("instruments",), "'instruments' must be FIELD=VALUE"),
        ("quote", (), "missing required field `instruments`"),
        ("orders", ("colour=red",), "unknown field `colour`"),
        ("order-margins", ("orders=[{",), "is not JSON"),
    ],
)
def test_what_cannot_be_asked_is_a_usage_error(kind, fields, sentence):
    with pytest.raises(click.UsageError) as caught:
        query_of(kind, fields)
    assert sentence in caught.value.message


def test_rows_of_every_shape_are_found():
    assert rows_of("candles", {"candles": [["t", 1, 2, 0, 1, 5]]})[0]["close"] == 1
    assert rows_of("positions", {"net": [{"quantity": 1}], "day": []}) == [{"quantity": 1}]
    assert rows_of("ltp", {"NSE:A": {"last_price": 2}}) == [{"name": "NSE:A", "last_price": 2}]
    assert rows_of("margins", {"equity": {}}) is None


def test_answer_is_shown_as_a_table_with_its_age(capsys):
    data = msgspec.Raw(b'[{"tradingsymbol":"INFY","exchange":"NSE","quantity":3,"pnl":1.5}]')
    reply = wire.Reply(
        query_id="q", kind="holdings", account="A", ok=True, at_us=1, data=data,
        as_of_us=1_000_000, cached=True,
    )  # fmt: skip
    show(Printer(), reply, now_ns=3_000_000_000)
    shown = capsys.readouterr()
    assert "INFY" in shown.out
    assert "1 rows" in shown.out
    assert "as of 2.0 s ago, cached" in shown.err
