"""Bytes that were on the wire once are still read, and still mean the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.kite.codec.decode import decode_frame
from shared.wire import codec
from shared.wire.bars import BAR, BAR_DTYPE, BarFlag
from shared.wire.chains import OPENING_OI, OPENING_OI_DTYPE, Chain
from shared.wire.control import Control, Gap
from shared.wire.layout import padding_free
from shared.wire.orders import BrokerUpdate, Command, OrderEvent, Postback
from shared.wire.queries import Query, Reply
from shared.wire.segments import iterate
from shared.wire.shards import ShardMap
from shared.wire.ticks import BATCH_HEADER_DTYPE, RAW_HEADER_DTYPE, TICK_DTYPE
from tests.golden.wire import build
from tests.support.tapes import HEADER, opened

KINDS: dict[str, Any] = {
    "place.v1": Command,
    "modify.v1": Command,
    "cancel.v1": Command,
    **{f"{kind}.v1": Command for kind in build.OTHER_COMMANDS},
    "place_in_pieces.v1": Command,
    "exit.v1": Command,
    "basket.v1": Command,
    "event.v1": OrderEvent,
    "update.v1": BrokerUpdate,
    "postback.v1": Postback,
    "gap.v1": Gap,
    "control.v1": Control,
    "chain.v1": Chain,
    "query.v1": Query,
    "query_charges.v1": Query,
    "reply.v1": Reply,
    "reply_refused.v1": Reply,
    "shard_map.v1": ShardMap,
}


def golden(name: str) -> bytes:
    return (build.HERE / name).read_bytes()


def test_every_golden_file_is_read_by_a_test() -> None:
    known = set(build.bodies())
    assert {path.name for path in Path(build.HERE).glob("*.*") if path.suffix != ".py"} == known


@pytest.mark.parametrize("name", sorted(KINDS))
def test_old_message_is_read_as_what_it_was(name: str) -> None:
    assert codec.decode({b"json": golden(f"{name}.json")}, KINDS[name]) == build.MESSAGES[name]


def test_old_segments_hold_the_frame_twice() -> None:
    frame = (build.FRAMES / "infy_full.bin").read_bytes()
    read = [(at_ns, bytes(body)) for at_ns, body in iterate(golden("segments.v1.bin"))]
    assert read == [(build.RECEIVED_AT_NS, frame)] * 2


def test_old_tape_is_read_as_what_it_was() -> None:
    tape = opened(golden("tape.v1.bin"))
    assert tape.header == HEADER
    ((head, block),) = tape.blocks()
    assert tape.damage is None
    assert block.payload == golden("segments.v1.bin")
    assert (head.segments, head.packets, block.account) == (2, 2, "AB1234")


def test_old_record_has_its_fields_where_they_were() -> None:
    record = np.frombuffer(golden("tick.v1.bin"), dtype=TICK_DTYPE)[0]
    assert record["instrument_token"] == 408065
    assert record["last_price"] == 1573.7
    assert record["bid_price"].tolist() == [1573.4, 1573.0, 1572.95, 1572.9, 1572.85]
    assert record["received_at_ns"] == build.RECEIVED_AT_NS


def test_frame_of_then_still_gives_the_record_of_then() -> None:
    frame = (build.FRAMES / "infy_full.bin").read_bytes()
    assert decode_frame(frame, build.RECEIVED_AT_NS).tobytes() == golden("tick.v1.bin")


def test_old_headers_are_read_as_what_they_were() -> None:
    raw = np.frombuffer(golden("raw_header.v1.bin"), dtype=RAW_HEADER_DTYPE)[0]
    assert (raw["account"], raw["sequence"], raw["packets"], raw["shard"]) == (b"AB1234", 41, 2, 3)
    batch = np.frombuffer(golden("batch_header.v1.bin"), dtype=BATCH_HEADER_DTYPE)[0]
    assert (batch["sequence"], batch["records"], batch["record_bytes"]) == (41, 2, 392)


def test_old_bar_has_its_fields_where_they_were() -> None:
    bar = np.frombuffer(golden("bar.v1.bin"), dtype=BAR_DTYPE)[0]
    assert (bar["open"], bar["high"], bar["low"], bar["close"]) == (1573.7, 1574.05, 1573.4, 1573.5)
    assert (bar["volume"], bar["interval_s"], bar["ticks"]) == (1_175_986, 60, 17)
    assert (bar["instrument_token"], bar["flags"]) == (408065, BarFlag.LATE)
    assert padding_free(BAR)


def test_golden_opening_interest_is_read_as_it_was_written() -> None:
    opening = np.frombuffer(golden("opening_oi.v1.bin"), dtype=OPENING_OI_DTYPE)[0]
    assert opening.tolist() == (10962690, 65_130, 18_814)
    assert padding_free(OPENING_OI)
