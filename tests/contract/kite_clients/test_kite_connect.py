"""The official Python client works against the sandbox unmodified."""

from datetime import date, datetime, timedelta, timezone

import pytest
import requests
from kiteconnect import KiteConnect, exceptions

from tests.support.sandbox import SandboxInfo

IST = timezone(timedelta(hours=5, minutes=30))


def resting(kite: KiteConnect, **change) -> str:
    order = {
        "variety": "regular",
        "exchange": "NSE",
        "tradingsymbol": "RELIANCE",
        "transaction_type": "BUY",
        "quantity": 10,
        "product": "CNC",
        "order_type": "LIMIT",
        "price": 1300,
        **change,
    }
    return kite.place_order(**order)


def test_profile_names_the_account(kite: KiteConnect, sandbox: SandboxInfo) -> None:
    assert kite.profile()["user_id"] == sandbox.account.id


def test_margins_have_both_segments_and_each_alone(kite: KiteConnect) -> None:
    both = kite.margins()
    assert set(both) == {"equity", "commodity"}
    assert kite.margins("equity")["available"]["cash"] == both["equity"]["available"]["cash"]


def test_instruments_parse_with_dates_and_real_tokens(kite: KiteConnect) -> None:
    rows = kite.instruments()
    by_symbol = {row["tradingsymbol"]: row for row in rows}
    assert by_symbol["NIFTY 50"]["instrument_token"] == 256265
    options = [row for row in rows if row["segment"] == "NFO-OPT"]
    assert all(isinstance(row["expiry"], date) for row in options)
    assert {row["exchange"] for row in kite.instruments("BFO")} == {"BFO"}


def test_quotes_agree_with_one_another(kite: KiteConnect, sandbox: SandboxInfo) -> None:
    sandbox.post("market", frozen=True)
    names = ["NSE:NIFTY 50", "NSE:INFY", "NFO:NOTHING"]
    quote, ohlc, ltp = kite.quote(names), kite.ohlc(names), kite.ltp(names)
    assert set(quote) == set(ohlc) == set(ltp) == {"NSE:NIFTY 50", "NSE:INFY"}
    infy = quote["NSE:INFY"]
    assert infy["last_price"] == ltp["NSE:INFY"]["last_price"]
    assert infy["ohlc"] == ohlc["NSE:INFY"]["ohlc"]
    assert isinstance(infy["timestamp"], datetime)
    assert len(infy["depth"]["buy"]) == len(infy["depth"]["sell"]) == 5


def test_historical_data_parses(kite: KiteConnect) -> None:
    found = kite.historical_data(256265, "2026-11-20 09:15:00", "2026-11-20 10:15:00", "5minute")
    assert len(found) == 13
    assert found[0]["date"].utcoffset().total_seconds() == 19_800


def test_order_placed_modified_cancelled_is_seen_everywhere(kite: KiteConnect) -> None:
    order_id = resting(kite, tag="seen")
    assert kite.modify_order("regular", order_id, price=1301) == order_id
    assert kite.cancel_order("regular", order_id) == order_id
    row = next(row for row in kite.orders() if row["order_id"] == order_id)
    assert (row["status"], row["price"], row["tag"], row["tags"]) == (
        "CANCELLED",
        1301,
        "seen",
        ["seen"],
    )
    assert isinstance(row["order_timestamp"], datetime)
    assert [state["status"] for state in kite.order_history(order_id)] == [
        "PUT ORDER REQ RECEIVED",
        "VALIDATION PENDING",
        "OPEN PENDING",
        "OPEN",
        "MODIFY VALIDATION PENDING",
        "MODIFY PENDING",
        "MODIFIED",
        "OPEN",
        "CANCEL PENDING",
        "CANCELLED",
    ]


def test_order_at_market_trades_and_makes_a_position(kite: KiteConnect) -> None:
    order_id = resting(
        kite, tradingsymbol="TCS", order_type="MARKET", price=None, market_protection=-1
    )
    trades = kite.order_trades(order_id)
    assert sum(trade["quantity"] for trade in trades) == 10
    assert trades[0]["trade_id"] in {trade["trade_id"] for trade in kite.trades()}
    position = next(row for row in kite.positions()["net"] if row["tradingsymbol"] == "TCS")
    assert len(position) == 29
    assert position["quantity"] == 10


RECKONED = {
    "exchange": "NSE",
    "tradingsymbol": "INFY",
    "transaction_type": "BUY",
    "variety": "regular",
    "product": "CNC",
    "order_type": "LIMIT",
    "quantity": 10,
    "price": 1500,
}


def test_holdings_and_auctions_have_kites_fields(kite: KiteConnect) -> None:
    held = kite.holdings()[0]
    assert (held["tradingsymbol"], held["quantity"], held["product"]) == ("INFY", 12, "CNC")
    assert held["pnl"] == (held["last_price"] - held["average_price"]) * 12
    assert kite.get_auction_instruments()[0]["auction_number"] == "22"


def test_margins_of_orders_of_a_basket_and_charges_agree(kite: KiteConnect) -> None:
    (alone,) = kite.order_margins([RECKONED])
    assert (alone["var"], alone["total"]) == (15_000, 15_000)
    basket = kite.basket_order_margins([RECKONED, RECKONED])
    assert basket["final"]["total"] == 30_000
    assert [row["total"] for row in basket["orders"]] == [15_000, 15_000]
    executed = RECKONED | {"order_id": "15", "average_price": 1500}
    (note,) = kite.get_virtual_contract_note([executed])
    assert note["charges"]["total"] == pytest.approx(alone["charges"]["total"])
    with pytest.raises(exceptions.InputException):
        kite.order_margins([RECKONED | {"tradingsymbol": "NOTHING"}])


def test_mutual_funds_can_be_read(kite: KiteConnect) -> None:
    assert kite.mf_orders() == kite.mf_sips() == []
    assert kite.mf_holdings()[0]["tradingsymbol"] == kite.mf_instruments()[0]["tradingsymbol"]
    with pytest.raises(exceptions.KiteException):
        kite.mf_orders("nobody")
    assert isinstance(kite.mf_instruments()[0]["last_price_date"], date)


def test_gtts_can_be_read(kite: KiteConnect) -> None:
    leg = {
        "transaction_type": "BUY",
        "quantity": 1,
        "order_type": "LIMIT",
        "product": "CNC",
        "price": 1000,
    }
    placed = kite.place_gtt("single", "INFY", "NSE", [1000.0], 1500.0, [leg])
    assert placed["trigger_id"] in {row["id"] for row in kite.get_gtts()}
    assert kite.get_gtt(placed["trigger_id"])["status"] == "active"
    kite.delete_gtt(placed["trigger_id"])


def test_trigger_range_holds_the_price(kite: KiteConnect) -> None:
    found = kite.trigger_range("BUY", "NSE:INFY")["NSE:INFY"]
    assert found["lower"] < kite.ltp("NSE:INFY")["NSE:INFY"]["last_price"] < found["upper"]


def test_history_ends_now_and_is_continuous_for_day_candles_of_futures_only(
    kite: KiteConnect,
) -> None:
    today = datetime.now(tz=IST)
    ahead = kite.historical_data(
        256265,
        today.strftime("%Y-%m-%d 00:00:00"),
        (today + timedelta(days=7)).strftime("%Y-%m-%d 00:00:00"),
        "minute",
    )
    assert all(candle["date"] <= today for candle in ahead)
    future = next(row for row in kite.instruments("NFO") if row["instrument_type"] == "FUT")
    span = ("2026-01-01 00:00:00", "2026-06-30 00:00:00")
    assert kite.historical_data(future["instrument_token"], *span, "day", continuous=True)
    with pytest.raises(exceptions.InputException):
        kite.historical_data(256265, *span, "day", continuous=True)


@pytest.mark.parametrize(
    ("change", "kind", "code"),
    [
        ({"order_type": "MARKET", "price": None}, exceptions.InputException, 400),
        ({"price": 1300.03}, exceptions.InputException, 400),
        ({"tradingsymbol": "NOTHING"}, exceptions.InputException, 400),
        ({"tag": "x" * 21}, exceptions.InputException, 400),
        ({"quantity": 9_000_000}, exceptions.GeneralException, 400),
    ],
)
def test_order_against_a_rule_raises_what_the_client_promises(
    kite: KiteConnect, change, kind, code
) -> None:
    with pytest.raises(kind) as caught:
        resting(kite, **change)
    assert type(caught.value) is kind
    assert caught.value.code == code


def test_session_of_a_wrong_token_raises_and_calls_the_hook(sandbox: SandboxInfo) -> None:
    client = KiteConnect(sandbox.account.api_key, "x" * 32, root=sandbox.rest_url)
    called = []
    client.set_session_expiry_hook(lambda: called.append(1))
    with pytest.raises(exceptions.TokenException):
        client.profile()
    client.reqsession.close()
    assert called == [1]


def test_unknown_order_raises_the_brokers_words(kite: KiteConnect) -> None:
    with pytest.raises(exceptions.GeneralException, match="Couldn't find that `order_id`"):
        kite.cancel_order("regular", "42")


def test_fault_of_a_full_second_raises_a_network_exception(
    kite: KiteConnect, sandbox: SandboxInfo
) -> None:
    sandbox.post("faults", kind="http_429")
    with pytest.raises(exceptions.NetworkException) as caught:
        kite.orders()
    assert caught.value.code == 429
    kite.orders()


def test_fault_of_a_gateway_page_raises_a_data_exception(
    kite: KiteConnect, sandbox: SandboxInfo
) -> None:
    sandbox.post("faults", kind="http_html")
    with pytest.raises(exceptions.DataException):
        kite.orders()


@pytest.mark.parametrize("kind", ["accept_then_drop", "accept_then_500", "refuse_timed_out_400"])
def test_fault_after_acceptance_leaves_the_order_in_the_book(
    kite: KiteConnect, sandbox: SandboxInfo, kind: str
) -> None:
    sandbox.post("faults", kind=kind)
    with pytest.raises((exceptions.KiteException, requests.ConnectionError)):
        resting(kite, tag=kind[:20].replace("_", ""))
    assert [row["status"] for row in kite.orders() if row["tag"] == kind[:20].replace("_", "")] == [
        "OPEN"
    ]


def test_fault_of_a_dropped_request_leaves_no_order(
    kite: KiteConnect, sandbox: SandboxInfo
) -> None:
    sandbox.post("faults", kind="drop_request")
    with pytest.raises(requests.ConnectionError):
        resting(kite, tag="never")
    assert [row for row in kite.orders() if row["tag"] == "never"] == []


def test_fault_of_a_hidden_order_keeps_it_from_the_book(
    kite: KiteConnect, sandbox: SandboxInfo
) -> None:
    sandbox.post("faults", kind="hidden_for", seconds=3600)
    order_id = resting(kite)
    assert order_id not in {row["order_id"] for row in kite.orders()}
    assert order_id in {row["order_id"] for row in sandbox.get("orders")}


def test_autoslice_places_a_parent_with_children_and_says_which_failed(
    kite: KiteConnect, sandbox: SandboxInfo
) -> None:
    row = next(
        row
        for row in kite.instruments("NFO")
        if row["tradingsymbol"].startswith("NIFTY") and row["instrument_type"] == "CE"
    )
    sandbox.post("faults", kind="autoslice_child_error")
    answer = kite.place_autoslice_order(
        "regular", "NFO", row["tradingsymbol"], "BUY", 65 * 60, "NRML", "LIMIT", price=0.05
    )
    failed, placed = answer["children"]
    assert failed["error"]["error_type"] == "MarginException"
    rows = {found["order_id"]: found for found in kite.orders()}
    assert rows[answer["order_id"]]["tags"] == ["autoslice"]
    assert rows[placed["order_id"]]["tags"] == ["autoslice", f"autoslice:{answer['order_id']}"]
    assert (rows[answer["order_id"]]["quantity"], rows[placed["order_id"]]["quantity"]) == (
        1755,
        390,
    )


def test_sandbox_remembers_every_placement_it_received(
    kite: KiteConnect, sandbox: SandboxInfo
) -> None:
    before = sandbox.get("received")["sequence"]
    resting(kite, tag="counted")
    entries = sandbox.get("received", since=before)["entries"]
    placed = [entry for entry in entries if entry["method"] == "POST"]
    assert [(entry["path"], entry["params"]["tag"], entry["status"]) for entry in placed] == [
        ("/orders/regular", "counted", 200)
    ]


def test_session_generated_from_a_request_token_replaces_the_old_one() -> None:
    from tests.support.sandbox import sandbox_process

    with sandbox_process(seed=12, extra_args=["--strikes", "1"]) as own:
        who = own.account
        client = KiteConnect(who.api_key, root=own.rest_url)
        token = own.post("login")["request_token"]
        session = client.generate_session(token, who.api_secret)
        assert session["user_id"] == who.id
        assert client.profile()["user_id"] == who.id
        old = KiteConnect(who.api_key, who.access_token, root=own.rest_url)
        with pytest.raises(exceptions.TokenException):
            old.profile()
        client.invalidate_access_token()
        with pytest.raises(exceptions.TokenException):
            client.profile()
        old.reqsession.close()
        client.reqsession.close()
