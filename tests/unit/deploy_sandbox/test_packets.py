"""Packets to the byte, frames to the count."""

import struct

import numpy as np

from deploy.sandbox.market import Market, MarketTerms
from deploy.sandbox.packets import INTEGER_MAX, encode, frames, layout

MARKET = Market(MarketTerms(seed=1, strikes_each_side=2, step_s=0.25), 1_795_000_000)


def packet(row: int, mode: str, *, index: bool) -> bytes:
    found = encode(MARKET.columns, np.array([row]), mode, index=index)  # type: ignore[arg-type]
    return found.tobytes()


def test_layouts_have_the_lengths_of_the_protocol() -> None:
    lengths = {
        (mode, index): layout(mode, index=index).itemsize - 2  # type: ignore[arg-type]
        for mode in ("ltp", "quote", "full")
        for index in (True, False)
    }
    assert lengths == {
        ("ltp", True): 8,
        ("ltp", False): 8,
        ("quote", True): 28,
        ("full", True): 32,
        ("quote", False): 44,
        ("full", False): 184,
    }


def test_index_full_packet_orders_the_day_high_low_open_close() -> None:
    columns = MARKET.columns
    fields = struct.unpack(">H6IiI", packet(0, "full", index=True))
    assert fields == (
        32,
        256265,
        columns.last[0],
        columns.high[0],
        columns.low[0],
        columns.open[0],
        columns.close[0],
        columns.last[0] - columns.close[0],
        columns.timestamp[0],
    )


def test_full_packet_carries_ten_rungs_buys_first() -> None:
    row, columns = MARKET.listing.row_of_token[408065], MARKET.columns
    body = packet(row, "full", index=False)
    fields = struct.unpack(">H16I" + "IIH2x" * 10, body)
    assert fields[:3] == (184, 408065, columns.last[row])
    assert fields[8:12] == tuple(
        getattr(columns, name)[row] for name in ("open", "high", "low", "close")
    )
    assert fields[17::3] == tuple(columns.depth_quantity[row])
    assert fields[18::3] == tuple(columns.depth_price[row])
    assert fields[19::3] == tuple(columns.depth_orders[row])


def test_packet_values_never_reach_the_sign_bit() -> None:
    row = MARKET.listing.row_of_token[408065]
    volume = MARKET.columns.volume[row]
    MARKET.columns.volume[row] = 2**40
    fields = struct.unpack(">H11I", packet(row, "quote", index=False))
    MARKET.columns.volume[row] = volume
    assert fields[5] == INTEGER_MAX


def test_frames_cut_batches_at_their_limit_without_losing_or_reordering() -> None:
    rows = np.arange(7)
    batches = [
        encode(MARKET.columns, rows[:3], "ltp", index=True),
        encode(MARKET.columns, rows[3:], "quote", index=False),
    ]
    tokens, counts = [], []
    for frame in frames(batches, packets_max=2):
        count, offset = struct.unpack_from(">H", frame)[0], 2
        counts.append(count)
        for _ in range(count):
            length, token = struct.unpack_from(">HI", frame, offset)
            tokens.append(token)
            offset += 2 + length
        assert offset == len(frame)
    assert counts == [2, 2, 2, 1]
    assert tokens == MARKET.listing.token[:7].tolist()


def test_frames_of_nothing_are_none() -> None:
    assert list(frames([])) == []
    assert list(frames([encode(MARKET.columns, np.arange(0), "ltp", index=False)])) == []
