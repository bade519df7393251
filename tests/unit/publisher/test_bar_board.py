"""Bars are told once to whoever wants them, the newest of each is kept."""

import msgspec
import numpy as np
import pytest

from publisher.fanout.bar_board import BARS_PER_MESSAGE_MAX, BarBoard, messages
from publisher.fanout.bar_history import INTERVALS_MAX
from publisher.fanout.flow import Source
from publisher.feeds.batches import decode_batch
from publisher.protocol.messages import Bars
from shared.errors import MessageError
from shared.wire.bars import BAR
from tests.support.publisher_rows import bars, batch, rows


def tokens(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.uint32)


def told(board: BarBoard, *closed: tuple[int, int, float]) -> dict:
    return {
        (interval, subscribers): [(int(r["instrument_token"]), float(r["close"])) for r in records]
        for interval, parts in board.take(Source("0", "1-0"), bars(*closed))
        for subscribers, records in parts.items()
    }


def test_bars_go_to_those_who_want_them_and_who_wants_the_same_stands_together() -> None:
    board = BarBoard()
    board.want(1, 60, tokens(101, 102))
    board.want(2, 60, tokens(101, 102))
    board.want(3, 60, tokens(102))
    board.want(3, 300, tokens(101))
    assert told(board, (101, 60, 1.0), (102, 60, 2.0), (103, 60, 3.0), (101, 300, 4.0)) == {
        (60, (1, 2)): [(101, 1.0), (102, 2.0)],
        (60, (3,)): [(102, 2.0)],
        (300, (3,)): [(101, 4.0)],
    }
    board.unwant(1, 60, tokens(101, 102))
    board.unwant(2, 60, tokens(101))
    board.unwant(3, 300, tokens(101))
    assert told(board, (101, 60, 1.0), (102, 60, 2.0), (101, 300, 4.0)) == {
        (60, (2, 3)): [(102, 2.0)]
    }


def test_the_newest_bar_of_each_is_kept_whether_anybody_wants_it_or_not() -> None:
    board = BarBoard()
    assert len(board.newest(60, tokens(101))) == 0
    assert told(board, (102, 60, 2.0), (101, 60, 1.0), (101, 300, 9.0)) == {}
    assert told(board, (101, 60, 3.0), (101, 60, 4.0)) == {}
    newest = board.newest(60, tokens(101, 102, 103))
    assert newest["instrument_token"].tolist() == [101, 102]
    assert newest["close"].tolist() == [4.0, 2.0]
    assert board.newest(300, tokens(101))["close"].tolist() == [9.0]


def test_of_more_intervals_than_there_may_be_none_is_kept_but_all_are_told() -> None:
    board = BarBoard()
    board.want(1, 999, tokens(101))
    for interval in range(1, INTERVALS_MAX + 1):
        told(board, (101, interval, 1.0))
    assert told(board, (101, 999, 5.0)) == {(999, (1,)): [(101, 5.0)]}
    assert len(board.newest(999, tokens(101))) == 0
    assert len(board.newest(INTERVALS_MAX, tokens(101))) == 1


def test_a_message_holds_so_many_bars_and_no_number_that_json_would_round() -> None:
    count = BARS_PER_MESSAGE_MAX + 1
    closed = bars(*((token, 60, 2.5) for token in range(count)))
    parts = list(messages(60, closed, ["NIFTY"] * count, is_snapshot=True))
    assert [len(part.bars) for part in parts] == [BARS_PER_MESSAGE_MAX, 1]
    read = msgspec.json.decode(msgspec.json.encode(parts[1]), type=Bars)
    assert (read.interval_s, read.snapshot) == (60, True)
    (bar,) = read.bars
    assert (bar.instrument_token, bar.close, bar.high, bar.volume) == (count - 1, 2.5, 3.5, 1200)
    assert (bar.start_us, bar.closed_at_us) == (1_764_000_000_000_000, 1_764_000_060_000_000)


def test_ticks_are_no_bars() -> None:
    assert len(decode_batch(batch(bars((1, 60, 1.0)), layout=BAR), BAR).records) == 1
    with pytest.raises(MessageError, match="bar layout"):
        decode_batch(batch(rows((1, 1.0))), BAR)
