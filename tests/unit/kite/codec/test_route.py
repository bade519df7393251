from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kite.codec.route import DAMAGED, DOES_NOT_FIT, ROUTED, Router, Sinks, Way, told
from shared.wire.segments import iterate, segment
from tests.support.kite_frames import frame, ltp

TOKENS = np.array([11, 12, 13, 14], dtype=np.uint32)
SHARD_OF = np.array([0, 0, 2, 1], dtype=np.uint16)
AT_NS = 1_700_000_000_123_456_789


def router() -> Router:
    return Router(TOKENS, SHARD_OF, shards=3)


def test_router_with_one_shard_copies_the_frame_whole() -> None:
    payload, sinks, routes = frame([ltp(11, 5), ltp(12, 6)]), Sinks(3, 1000), router()
    assert routes.route(payload, AT_NS, sinks) == (ROUTED, 2, 0, 0, len(payload))
    assert bytes(sinks.segments(0)) == segment(AT_NS, payload)
    assert sinks.packets.tolist() == [2, 0, 0]
    assert routes.last_seen_ns.tolist() == [AT_NS, AT_NS, 0, 0]


def test_router_with_several_shards_splits_in_order() -> None:
    sinks = Sinks(3, 1000)
    router().route(frame([ltp(11, 1), ltp(13, 2), ltp(12, 3), ltp(14, 4)]), AT_NS, sinks)
    assert bytes(sinks.segments(0)) == segment(AT_NS, frame([ltp(11, 1), ltp(12, 3)]))
    assert bytes(sinks.segments(1)) == segment(AT_NS, frame([ltp(14, 4)]))
    assert bytes(sinks.segments(2)) == segment(AT_NS, frame([ltp(13, 2)]))
    assert sinks.packets.tolist() == [2, 1, 1]


def test_router_with_unknown_token_counts_it_and_leaves_it_out() -> None:
    sinks, routes = Sinks(3, 1000), router()
    assert routes.route(frame([ltp(99, 1), ltp(11, 2)]), AT_NS, sinks)[:3] == (ROUTED, 2, 1)
    assert bytes(sinks.segments(0)) == segment(AT_NS, frame([ltp(11, 2)]))


def test_router_with_only_unknown_tokens_writes_nothing() -> None:
    sinks = Sinks(3, 1000)
    assert router().route(frame([ltp(99, 1)]), AT_NS, sinks)[:3] == (ROUTED, 1, 1)
    assert sinks.fill.tolist() == [0, 0, 0]


def test_router_with_heartbeat_writes_nothing() -> None:
    sinks = Sinks(3, 1000)
    assert router().route(b"\0", AT_NS, sinks)[:3] == (ROUTED, 0, 0)
    assert sinks.fill.tolist() == [0, 0, 0]


@pytest.mark.parametrize("payload", [b"", b"\0\1", frame([ltp(11, 1)])[:-1], frame([]) + b"x"])
def test_router_with_damaged_frame_writes_nothing(payload: bytes) -> None:
    sinks, routes = Sinks(3, 1000), router()
    found = routes.route(payload, AT_NS, sinks)
    assert found.code == DAMAGED
    assert found.reason != 0
    assert sinks.fill.tolist() == [0, 0, 0]
    assert not routes.last_seen_ns.any()


def test_router_without_room_for_one_shard_writes_to_none() -> None:
    sinks, routes = Sinks(3, 60), router()
    payload = frame([ltp(13, 1), ltp(11, 2), ltp(11, 3), ltp(11, 4), ltp(11, 5), ltp(11, 6)])
    assert routes.route(payload, AT_NS, sinks).code == DOES_NOT_FIT
    assert sinks.fill.tolist() == [0, 0, 0]
    assert sinks.packets.tolist() == [0, 0, 0]
    assert not sinks.out.any()
    assert not routes.last_seen_ns.any()


def test_router_fills_a_buffer_to_its_last_byte() -> None:
    payload = frame([ltp(11, 1)])
    sinks = Sinks(3, 2 * (12 + len(payload)))
    codes = [router().route(payload, AT_NS, sinks).code for _ in range(3)]
    assert codes == [ROUTED, ROUTED, DOES_NOT_FIT]
    assert [bytes(body) for _, body in iterate(sinks.segments(0))] == [payload, payload]


def test_sinks_cleared_begin_again() -> None:
    sinks, routes = Sinks(3, 1000), router()
    routes.route(frame([ltp(11, 1)]), AT_NS, sinks)
    sinks.clear()
    routes.route(frame([ltp(12, 2)]), AT_NS, sinks)
    assert bytes(sinks.segments(0)) == segment(AT_NS, frame([ltp(12, 2)]))


def test_router_refuses_a_shard_out_of_range() -> None:
    with pytest.raises(ValueError, match="shard 2 must be below 2"):
        Router(TOKENS, SHARD_OF, shards=2)


@pytest.mark.slow
@given(
    st.lists(
        st.lists(
            st.tuples(st.sampled_from([11, 12, 13, 14, 99]), st.binary(max_size=60)), max_size=6
        ),
        max_size=6,
    )
)
@settings(max_examples=150, deadline=None)
def test_router_of_any_frames_loses_reorders_and_invents_no_packet(
    batches: list[list[tuple[int, bytes]]],
) -> None:
    sinks, routes = Sinks(3, 10_000), router()
    wanted: dict[int, list[bytes]] = {0: [], 1: [], 2: []}
    for at_ns, batch in enumerate(batches):
        bodies = [token.to_bytes(4, "big") + tail for token, tail in batch]
        assert routes.route(frame(bodies), at_ns, sinks).code == ROUTED
        per_shard: dict[int, list[bytes]] = {}
        for (token, _), body in zip(batch, bodies, strict=True):
            if token != 99:
                shard = int(SHARD_OF[TOKENS.tolist().index(token)])
                per_shard.setdefault(shard, []).append(body)
        for shard, kept in per_shard.items():
            wanted[shard].append(segment(at_ns, frame(kept)))
    for shard, segments in wanted.items():
        assert bytes(sinks.segments(shard)) == b"".join(segments)


FRAMES = st.one_of(
    st.lists(st.sampled_from([11, 12, 13, 14, 99]), max_size=6).map(
        lambda tokens: frame([ltp(token, 7) for token in tokens])
    ),
    st.binary(max_size=12),
    st.sampled_from([b"", b"\0", b"\0\0", b"\0\1", frame([ltp(11, 1)])[:-1], frame([]) + b"x"]),
)


@settings(deadline=None)  # the first one compiles
@given(st.lists(FRAMES, max_size=8))
def test_way_does_what_its_router_does_whatever_comes(script) -> None:
    routes, others = router(), router()
    sinks, filled = Sinks(3, 150), Sinks(3, 150)
    way = Way(others, filled)
    for at_ns, payload in enumerate(script, start=AT_NS):
        assert told(way.route(payload, at_ns))[:4] == routes.route(payload, at_ns, sinks)[:4]
        assert np.array_equal(filled.out, sinks.out)
        assert np.array_equal(filled.fill, sinks.fill)
        assert np.array_equal(filled.packets, sinks.packets)
        assert np.array_equal(others.last_seen_ns, routes.last_seen_ns)
