from __future__ import annotations

import struct

import numpy as np

from ingest.intake import TAKE_BYTES_MAX, Intake
from shared.kite.codec.overflow import Losses
from shared.kite.codec.route import Router
from shared.wire.segments import iterate
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_SEVERAL

TOKENS = np.array([256, 512, 768], dtype=np.uint32)
SHARDS = np.array([0, 1, 1], dtype=np.uint16)
#: Full packets of one instrument after which not one more fits into a buffer.
PACKETS_THAT_FILL = 5_637


def intake(loads_max: int = 3) -> Intake:
    router = Router(TOKENS, SHARDS, 2)
    return Intake(router, account="AB1234", version=20260810, loads_max=loads_max, epoch=5)


def frame(*tokens: int, size: int = 8) -> bytes:
    packets = [struct.pack(">HI", size, token) + bytes(size - 4) for token in tokens]
    return struct.pack(">H", len(packets)) + b"".join(packets)


def drained(hand_over: Intake) -> list[tuple[int, np.void, list[tuple[int, bytes]]]]:
    loads = hand_over.take()
    read = [
        (
            entry.shard,
            np.frombuffer(entry.header, dtype=RAW_HEADER_DTYPE)[0],
            [(at_ns, bytes(body)) for at_ns, body in iterate(entry.segments)],
        )
        for entry in hand_over.entries(loads)
    ]
    hand_over.give_back(loads)
    return read


def test_packets_go_to_the_shard_of_their_instrument_byte_for_byte() -> None:
    hand_over = intake()
    hand_over.offer(frame(256, 512, 768), 77, socket=0)
    assert [(shard, segments) for shard, _, segments in drained(hand_over)] == [
        (0, [(77, frame(256))]),
        (1, [(77, frame(512, 768))]),
    ]


def test_frames_that_arrive_before_the_write_join_one_entry() -> None:
    hand_over = intake()
    for at_ns in (1, 2, 3):
        hand_over.offer(frame(256), at_ns, socket=0)
    ((_, header, segments),) = drained(hand_over)
    assert [at_ns for at_ns, _ in segments] == [1, 2, 3]
    assert (header["packets"], header["sequence"], header["socket"]) == (3, 0, 0)


def test_sequence_counts_entries_per_shard_without_holes() -> None:
    hand_over = intake()
    seen = []
    for _ in range(3):
        hand_over.offer(frame(256), 1, socket=0)
        seen += [int(header["sequence"]) for _, header, _ in drained(hand_over)]
    assert seen == [0, 1, 2]


def test_header_says_when_several_sockets_were_joined() -> None:
    hand_over = intake()
    hand_over.offer(frame(256), 1, socket=0)
    hand_over.offer(frame(256), 2, socket=1)
    assert drained(hand_over)[0][1]["socket"] == SOCKET_SEVERAL


def test_unknown_instrument_is_counted_and_kept_out() -> None:
    hand_over = intake()
    offered = hand_over.offer(frame(256, 999), 1, socket=0)
    assert (offered.packets, offered.unknown) == (2, 1)
    assert drained(hand_over)[0][2] == [(1, frame(256))]


def test_damaged_frame_is_refused_whole_with_its_reason() -> None:
    hand_over = intake()
    offered = hand_over.offer(frame(256)[:-1], 1, socket=0)
    assert offered.damage == "ends inside a packet"
    assert not hand_over.waiting


def test_full_intake_keeps_the_newest_per_instrument_and_writes_it_before_what_follows() -> None:
    hand_over = intake(loads_max=2)
    filling = frame(*[256] * PACKETS_THAT_FILL, size=184)
    for at_ns in (0, 1):
        assert hand_over.offer(filling, at_ns, socket=0).dropped == 0
    dropped = [
        hand_over.offer(frame(*tokens, size=184), at_ns, socket=0).dropped
        for at_ns, tokens in ((2, (256, 768)), (3, (256,)), (4, (256, 512)))
    ]
    assert dropped == [0, 1, 1]
    assert hand_over.take_losses() is None
    seen = drained(hand_over)
    assert hand_over.take_losses() == Losses(2, (256,), 2, 3)
    assert hand_over.take_losses() is None
    assert hand_over.offer(frame(512), 5, socket=0).dropped == 0
    for _ in range(2):
        seen += drained(hand_over)
    times = [(shard, at_ns, len(body)) for shard, _, segments in seen for at_ns, body in segments]
    assert sorted(times) == [
        (0, 0, len(filling)),
        (0, 1, len(filling)),
        (0, 4, 188),
        (1, 2, 188),
        (1, 4, 188),
        (1, 5, 12),
    ]
    assert not hand_over.waiting


def test_frame_larger_than_a_buffer_is_kept_packet_by_packet() -> None:
    hand_over = intake()
    offered = hand_over.offer(frame(*[512, 768] * 3000, size=184), 1, socket=0)
    assert offered.dropped == 5998
    ((shard, header, ((at_ns, body),)),) = drained(hand_over)
    assert (shard, at_ns, body) == (1, 1, frame(512, 768, size=184))
    assert header["packets"] == 2


def test_damaged_frame_is_refused_while_there_is_no_room_too() -> None:
    hand_over = intake(loads_max=1)
    for _ in range(2):
        hand_over.offer(frame(*[256] * PACKETS_THAT_FILL, size=184), 1, socket=0)
    assert hand_over.offer(frame(256)[:-1], 2, socket=0).damage == "ends inside a packet"


def test_one_write_is_bounded_however_much_waits() -> None:
    hand_over = intake(loads_max=20)
    for at_ns in range(18):
        hand_over.offer(frame(*[256] * 4000, size=184), at_ns, socket=0)
    sizes = []
    while loads := hand_over.take():
        sizes.append(sum(len(entry.segments) for entry in hand_over.entries(loads)))
        hand_over.give_back(loads)
    assert len(sizes) > 1
    assert max(sizes) <= TAKE_BYTES_MAX


def test_frame_without_packets_leaves_nothing_to_write() -> None:
    hand_over = intake()
    assert hand_over.offer(b"\0\0", 1, socket=0).packets == 0
    assert not hand_over.waiting
