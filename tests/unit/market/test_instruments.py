from __future__ import annotations

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.market.expiry import expiry_ns
from shared.market.instruments import HEADER, parse
from shared.wire.instruments import Kind

ROWS = """
256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE
408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE
128053508,500209,INFY,INFOSYS,0,,0,0.05,1,EQ,BSE,BSE
14866434,58072,NIFTY26AUGFUT,NIFTY,0.0,2026-08-25,0.0,0.1,65,FUT,NFO-FUT,NFO
11579138,45231,NIFTY2681826500CE,NIFTY,0.0,2026-08-18,26500.0,0.05,65,CE,NFO-OPT,NFO
9010178,35196,INFY26AUG1500PE,INFY,0.0,2026-08-25,1500.0,0.05,400,PE,NFO-OPT,NFO
""".strip()


def dump(rows: str = ROWS) -> bytes:
    return f"{HEADER}\n{rows}\n".encode()


def test_dump_becomes_records_sorted_by_token() -> None:
    records = parse(dump()).records
    assert records["instrument_token"].tolist() == sorted(records["instrument_token"].tolist())
    assert len(records) == 6


def test_option_row_carries_its_contract() -> None:
    records = parse(dump()).records
    row = records[records["tradingsymbol"] == b"NIFTY2681826500CE"][0]
    assert (row["kind"], row["strike"], row["expiry"], row["lot_size"]) == (
        Kind.CALL, 26500.0, 20260818, 65,
    )  # fmt: skip
    assert row["underlying"] == b"NIFTY"


def test_underlying_of_an_index_option_is_the_index_row() -> None:
    records = parse(dump()).records
    row = records[records["tradingsymbol"] == b"NIFTY26AUGFUT"][0]
    assert row["underlying_token"] == 256265


def test_underlying_of_a_share_option_is_the_share_on_nse() -> None:
    records = parse(dump()).records
    row = records[records["tradingsymbol"] == b"INFY26AUG1500PE"][0]
    assert row["underlying_token"] == 408065


def test_expiry_moment_is_1540_since_august_2026_and_1530_before() -> None:
    assert _ist("NFO", date(2026, 7, 28)) == (15, 30)
    assert _ist("NFO", date(2026, 8, 18)) == (15, 40)


def _ist(exchange: str, expiry: date) -> tuple[int, int]:
    moment = datetime.fromtimestamp(expiry_ns(exchange, expiry) / 1e9, UTC)
    minutes = moment.hour * 60 + moment.minute + 330
    return divmod(minutes, 60)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("1,2,X,X,0,,0,0,0,EQ,NSE,NSE", "instrument_token 1 is not exchange_token 2"),
        ("256,1,X,X,0,2026-13-01,1,0.05,1,CE,NFO-OPT,NFO", "month must be in"),
        ("256,1,X,X,0,2026-08-25,0,0.05,1,CE,NFO-OPT,NFO", "strike '0' of option X"),
        ("256,1,,X,0,,0,0,0,EQ,NSE,NSE", "tradingsymbol '' is not 1 to 36 bytes"),
        ("256,1,X", "3 columns, not 12"),
    ],
)
def test_bad_row_is_left_out_and_named_and_the_others_stay(row: str, said: str) -> None:
    parsed = parse(dump(ROWS + "\n" + row))
    assert len(parsed.records) == 6
    assert parsed.refused_count == 1
    assert said in parsed.refused[0].sentence
    assert parsed.refused[0].sentence.startswith("line 8: ")


@pytest.mark.parametrize("body", [b"", b"<html>502</html>", HEADER.encode(), b"\xff\xfe"])
def test_what_is_no_dump_is_refused_whole(body: bytes) -> None:
    with pytest.raises(MessageError, match="instruments dump"):
        parse(body)


@given(st.binary(max_size=300))
def test_any_bytes_after_the_header_are_rows_or_a_message_error(body: bytes) -> None:
    try:
        parse(HEADER.encode() + b"\n" + body)
    except MessageError:
        return
