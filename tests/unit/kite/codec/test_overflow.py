"""What is kept while nothing can be written, against a dictionary that does the same."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kite.codec.overflow import KEPT_BYTES_MAX, Losses, Overflow
from shared.kite.codec.route import Router, Sinks
from shared.kite.codec.scan import TRUNCATED_PACKET
from shared.wire.segments import iterate
from tests.support.kite_frames import frame

TOKENS = np.array([1, 2, 3, 4, 5], dtype=np.uint32)
SHARD_OF = np.array([0, 1, 1, 0, 1], dtype=np.uint16)
UNKNOWN = 9

packets = st.tuples(
    st.sampled_from([*TOKENS.tolist(), UNKNOWN]), st.sampled_from([8, 44, 184, 200]), st.binary(max_size=4)
)  # fmt: skip
frames = st.lists(st.tuples(st.integers(0, 3), st.lists(packets, max_size=8)), max_size=20)


def body(token: int, size: int, content: bytes) -> bytes:
    return (token.to_bytes(4, "big") + content).ljust(size, b"\0")


def overflow() -> Overflow:
    return Overflow(Router(TOKENS, SHARD_OF, 2))


def poured(sinks: Sinks) -> list[tuple[int, int, list[bytes]]]:
    found = []
    for shard in (0, 1):
        for at_ns, segment in iterate(sinks.segments(shard)):
            bodies, at = [], 2
            while at < len(segment):
                length = int.from_bytes(segment[at : at + 2], "big")
                bodies.append(bytes(segment[at + 2 : at + 2 + length]))
                at += 2 + length
            assert int.from_bytes(segment[:2], "big") == len(bodies)
            found.append((shard, at_ns, bodies))
    return found


@pytest.mark.slow
@settings(deadline=None)  # the first one compiles
@given(frames)
def test_newest_packet_of_every_instrument_is_kept_whatever_comes(script) -> None:
    kept, model, lost, at_ns = overflow(), {}, {}, 0
    for pause_ns, content in script:
        at_ns += pause_ns
        kept.keep(frame(body(*packet) for packet in content), at_ns)
        for token, size, filling in content:
            if token == UNKNOWN:
                continue
            if size > KEPT_BYTES_MAX:
                lost.setdefault(token, []).append(at_ns)
                continue
            if token in model:
                lost.setdefault(token, []).append(model[token][0])
            model[token] = (at_ns, body(token, size, filling))
    assert kept.waiting_bytes == sum(len(packet) for _, packet in model.values())
    sinks = Sinks(2, 4096)
    assert kept.pour(sinks)
    assert not kept.is_used
    found = poured(sinks)
    for shard in (0, 1):
        times = [at for where, at, _ in found if where == shard]
        assert times == sorted(set(times))
    assert sorted((at, packet) for _, at, many in found for packet in many) == sorted(
        model.values()
    )
    assert int(sinks.packets.sum()) == len(model)
    told = kept.take_losses()
    every = [when for times in lost.values() for when in times]
    assert told == (
        Losses(len(every), tuple(sorted(lost)), min(every), max(every)) if every else None
    )


def test_pouring_into_small_buffers_goes_on_where_it_stopped() -> None:
    kept = overflow()
    kept.keep(frame(body(token, 184, b"") for token in TOKENS.tolist()), 7)
    seen = []
    for _ in range(3):
        sinks = Sinks(2, 210)
        done = kept.pour(sinks)
        seen += [packet[3] for _, at_ns, many in poured(sinks) for packet in many if at_ns == 7]
        if done:
            break
    assert done
    assert sorted(seen) == TOKENS.tolist()


def test_damaged_frame_keeps_nothing_of_it() -> None:
    kept = overflow()
    assert kept.keep(frame([body(1, 8, b""), body(2, 8, b"")])[:-1], 1).reason == TRUNCATED_PACKET
    assert not kept.is_used
    assert kept.keep(b"", 1).reason


def test_kept_packet_counts_as_heard_of() -> None:
    router = Router(TOKENS, SHARD_OF, 2)
    Overflow(router).keep(frame([body(3, 8, b"")]), 55)
    assert router.last_seen_ns.tolist() == [0, 0, 55, 0, 0]
