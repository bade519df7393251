"""Dumps read by the column say what the judge of single rows says of them."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.market.calendar import packaged_calendar
from shared.market.instrument_columns import Columns
from shared.market.instrument_rows import Expiries
from shared.market.instruments import BLOCK_BYTES, HEADER, Instruments, assembled, by_rows, parse

OPTION = "11579138,45231,NIFTY2681826500CE,NIFTY,0.0,2026-08-18,26500.0,0.05,65,CE,NFO-OPT,NFO"
FUTURE = "14866434,58072,NIFTY26AUGFUT,NIFTY,0.0,2026-08-25,0.0,0.1,65,FUT,NFO-FUT,NFO"
INDEX = "256265,1001,NIFTY 50,NIFTY 50,0,,0,0,0,EQ,INDICES,NSE"
SHARE = "408065,1594,INFY,INFOSYS,0,,0,0.05,1,EQ,NSE,NSE"

ODD = st.text(st.sampled_from('09 +-._eE"nNaif\x00\x1f\t\r\n,é\u2028\xa0٣'), max_size=6)
NUMBERS = st.sampled_from(
    ["", "0", "0.05", ".5", "5.", ".", "1.2.3", "00012.5", "26500.0", "123456789012.345", "1e5",
     "1234567890123456", "0.1234567890123456", "nan", "inf", "-1", "+1", " 7", "7 ", "1_0", "٣",
     "4294967295", "4294967296", "99999999999", "1000000000", "999999999.99"]
)  # fmt: skip
TEXTS = st.sampled_from(
    ["", " ", "NIFTY", "NIFTY 50", " NIFTY", "NIFTY ", "NIFTY BANK", "X" * 24, "X" * 25, "X" * 36,
     "X" * 37, "é" * 12, "é" * 13, 'say "hi"', '"NIFTY"', '"A,B"', '""', '"open', "A\x00", "\x00",
     "A\x1fB", "\xa0A", "A\u2028B", "A\x7fB"]
)  # fmt: skip
DATES = st.sampled_from(
    ["", "2026-08-18", "2026-08-25", "20260818", "2026-W34-2", "2026-13-01", "2026-02-30",
     "0001-01-01", "9999-12-31", "2026-8-18", "2026-08-18 ", "2026/08/18", "٢٠٢٦-٠٨-١٨"]
)  # fmt: skip
KINDS = st.sampled_from(["CE", "PE", "FUT", "EQ", "", "ce", "CE ", "FUTX", "FUTURES"])
PLACES = st.sampled_from(
    ["NFO", "NSE", "BSE", "BFO", "MCX", "XXX", "", " NFO", "EXCHANGE", "EXCHANGES"]
)
SEGMENTS = st.sampled_from(["INDICES", "NFO-OPT", "INDICES ", "INDICESX", "INDICESXY", ""])


@st.composite
def rows(draw: st.DrawFn) -> str:
    """A good row of which some fields were exchanged for others, seldom good ones."""
    fields = draw(st.sampled_from([OPTION, FUTURE, INDEX, SHARE])).split(",")
    others = {2: TEXTS, 3: TEXTS, 5: DATES, 6: NUMBERS, 7: NUMBERS, 8: NUMBERS, 9: KINDS,
              10: SEGMENTS, 11: PLACES}  # fmt: skip
    if draw(st.booleans()):
        fields[1] = str(draw(st.integers(0, 1 << 24)))
        fields[0] = str(int(fields[1]) * 256 + draw(st.integers(0, 256)))
    for at in draw(st.lists(st.integers(0, 11), max_size=3)):
        fields[at] = draw(ODD | others.get(at, NUMBERS))
    if not draw(st.integers(0, 15)):
        fields = fields[: draw(st.integers(0, 11))]
    return ",".join(fields)


def outcome(dump: bytes, *, by_columns: bool) -> Instruments | str:
    try:
        if by_columns:
            return parse(dump)
        return assembled(by_rows(dump, Expiries(packaged_calendar())))
    except UnicodeDecodeError as error:
        return f"instruments dump is not UTF-8: {error.reason}"
    except csv.Error as error:
        return f"instruments dump is no CSV: {error}"
    except MessageError as error:
        return str(error)


def assert_same(dump: bytes) -> None:
    columns, judged = outcome(dump, by_columns=True), outcome(dump, by_columns=False)
    if isinstance(columns, str) or isinstance(judged, str):
        assert columns == judged
    else:
        assert columns.records.tobytes() == judged.records.tobytes()
        assert columns.refused == judged.refused
        assert columns.refused_count == judged.refused_count


@given(
    st.lists(rows() | ODD, max_size=8),
    st.sampled_from(["\n", "\n", "\r\n", "\r"]),
    st.sampled_from(["", "\n", "\n\n"]),
)
@example([OPTION, 'A"B,"', FUTURE], "\n", "")
@example(['"' + FUTURE, OPTION + '"', INDEX], "\r\n", "\n")
@example([OPTION, OPTION.replace("0.05", "0.1")], "\n", "\n")
def test_hostile_dump_is_read_by_columns_as_row_by_row(lines, ending, end) -> None:
    assert_same((HEADER + ending + ending.join(lines) + end).encode())


@given(st.binary(max_size=200))
def test_bytes_that_are_no_text_are_refused_by_columns_as_row_by_row(body: bytes) -> None:
    assert_same(HEADER.encode() + b"\n" + body)


@given(st.text("0123456789.", max_size=17))
def test_price_is_the_float_that_python_reads(price: str) -> None:
    assert_same(f"{HEADER}\n{OPTION.replace('26500.0', price)}\n{SHARE}".encode())


def test_refusals_in_later_blocks_are_named_by_their_lines() -> None:
    good = [
        f"{number * 256 + 1},{number},S{number},,0,,0,0.05,1,EQ,NSE,NSE"
        for number in range(1, 20_000)
    ]
    good[7_000] = good[12_345] = "256,1,X"
    good[19_000] = '513,2,"QUOTED, NAME",,0,,0,0.05,1,EQ,NSE,NSE'
    dump = "\n".join([HEADER, *good]).encode()
    assert len(dump) > 1.5 * BLOCK_BYTES
    found = parse(dump)
    assert [refusal.line for refusal in found.refused] == [7_002, 12_347]
    assert found.records["tradingsymbol"][0:2].tolist() == [b"S1", b"S2"]
    assert_same(dump)


def test_quotes_over_a_line_s_end_do_not_number_rows_otherwise() -> None:
    assert_same(f'{HEADER}\n{SHARE}\n"256\n",1,X\n256,1,X\n{INDEX}\n'.encode())


def test_field_longer_than_any_reader_takes_is_a_message_error() -> None:
    with pytest.raises(MessageError, match="is no CSV: field larger"):
        parse(f"{HEADER}\n{SHARE}\n{'9' * 200_000}\n".encode())


@pytest.mark.slow
@pytest.mark.parametrize("rows", [999_999, 1_000_000])
def test_a_million_rows_are_too_many(rows: int) -> None:
    dump = f"{HEADER}\n{SHARE}{chr(10) * rows}".encode()
    if rows < 1_000_000:
        assert len(parse(dump).records) == 1
    else:
        with pytest.raises(MessageError, match="over 1000000 rows"):
            parse(dump)


@pytest.mark.parametrize("line", [OPTION, FUTURE, INDEX, SHARE])
def test_rows_as_kite_writes_them_need_no_judge(line: str) -> None:
    _, good = Columns(f"{line}\n".encode()).records(Expiries(packaged_calendar()))
    assert good.all()


def test_csv_writer_s_own_quoting_is_understood() -> None:
    body = io.StringIO()
    csv.writer(body, quoting=csv.QUOTE_ALL).writerows(line.split(",") for line in (OPTION, INDEX))
    plain = parse(f"{HEADER}\n{OPTION}\n{INDEX}\n".encode()).records
    assert np.array_equal(parse(f"{HEADER}\n{body.getvalue()}".encode()).records, plain)
