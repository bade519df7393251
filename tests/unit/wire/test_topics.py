from __future__ import annotations

import pytest

from shared.wire import topics


def test_topic_names_are_as_published() -> None:
    assert topics.RAW_TICKS.name(3) == "ticks.raw.v1.3"
    assert topics.COMMANDS.name("AB1234") == "orders.commands.v1.AB1234"
    assert topics.GAPS.name() == "ticks.gaps.v1"
    assert topics.dead("ticks.raw.v1.0") == "ticks.raw.v1.0.dead"


def test_topic_without_its_part_is_refused() -> None:
    with pytest.raises(ValueError, match="per shard"):
        topics.RAW_TICKS.name()
    with pytest.raises(ValueError, match="per nothing"):
        topics.GAPS.name(1)


def test_every_tick_stream_is_bounded_and_commands_never_are() -> None:
    for topic in topics.TOPICS:
        if topic.redis == "ticks" and topic.kind == "stream":
            assert topic.retention_s, topic.prefix
            assert topic.retention_bytes or topic.entries_max, topic.prefix
    assert not topics.COMMANDS.entries_max
    assert not topics.COMMANDS.retention_s
