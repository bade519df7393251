"""What is written to a tape is read from it, and damage is named where it begins."""

from __future__ import annotations

from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.errors import MessageError
from shared.wire import tape
from shared.wire.layout import padding_free
from shared.wire.segments import segment
from shared.wire.tape import Block, BlockKind
from shared.wire.tape_reader import Tape, packets_of
from tests.support.kite_strategies import frames
from tests.support.tapes import HEADER, block_of, opened, tape_and_heads, tape_of

timed = st.tuples(st.integers(1, 2**63), frames | st.binary(max_size=40))
contents = st.lists(st.lists(timed, min_size=1, max_size=5), max_size=5)
FIRST, SECOND, THIRD = (segment(at_ns, b"\0\1\0\4abcd") for at_ns in (10, 20, 30))


def blocks_of(content) -> list[Block]:
    return [block_of(b"".join(segment(*each) for each in part)) for part in content]


def played(body: bytes, from_ns: int = 0) -> tuple[list[bytes], str]:
    reader = opened(body)
    payloads = [block.payload for _, block in reader.blocks(from_ns=from_ns)]
    return payloads, str(reader.damage or "")


def three() -> tuple[bytes, list[int]]:
    body, heads = tape_and_heads([block_of(each) for each in (FIRST, SECOND, THIRD)])
    return body, [head.offset for head in heads]


@pytest.mark.parametrize("layout", tape.LAYOUTS, ids=lambda layout: layout.name)
def test_layout_has_no_stray_byte_and_ends_with_its_checksum(layout) -> None:
    assert padding_free(layout)
    if layout is not tape.INDEX_ROW:
        assert layout.fields[-1].name == "checksum"


@pytest.mark.slow
@given(contents)
@settings(max_examples=60, deadline=None)
def test_tape_gives_back_every_block(content) -> None:
    blocks = blocks_of(content)
    reader = opened(tape_of(blocks))
    assert reader.header == HEADER
    assert [block for _, block in reader.blocks()] == blocks
    assert reader.damage is None
    assert [(head.first_ns, head.last_ns, head.packets) for head in reader.heads()] == [
        (block.first_ns, block.last_ns, block.packets) for block in blocks
    ]


@pytest.mark.slow
@given(contents)
@settings(max_examples=30, deadline=None)
def test_tape_without_its_index_gives_every_block_and_the_same_heads(content) -> None:
    blocks = blocks_of(content)
    body, heads = tape_and_heads(blocks, closed=False)
    reader = opened(body)
    assert reader.heads() == heads == opened(tape_of(blocks)).heads()
    assert [block for _, block in reader.blocks()] == blocks
    assert reader.damage is not None
    assert reader.damage.offset == len(body)
    assert "without its index" in reader.damage.reason


@pytest.mark.slow
@given(contents, st.data())
@settings(max_examples=80, deadline=None)
def test_tape_cut_anywhere_gives_the_blocks_before_the_cut(content, data) -> None:
    blocks = blocks_of(content)
    body, heads = tape_and_heads(blocks)
    cut = data.draw(st.integers(tape.HEADER_BYTES, len(body) - 1))
    reader = opened(body[:cut])
    whole = [block for head, block in zip(heads, blocks, strict=True) if head.end <= cut]
    assert [block for _, block in reader.blocks()] == whole
    assert reader.damage is not None
    assert reader.damage.offset <= cut
    assert reader.damage.offset >= max((head.end for head in heads if head.end <= cut), default=0)


@pytest.mark.slow
@given(contents, st.data())
@settings(max_examples=120, deadline=None)
def test_tape_with_any_changed_byte_gives_the_blocks_before_it_and_says_where(
    content, data
) -> None:
    blocks = blocks_of(content)
    body, heads = tape_and_heads(blocks)
    at = data.draw(st.integers(tape.HEADER_BYTES, len(body) - 1))
    changed = bytearray(body)
    changed[at] ^= data.draw(st.integers(1, 255))
    reader = opened(bytes(changed))
    whole = [block for head, block in zip(heads, blocks, strict=True) if head.end <= at]
    assert [block for _, block in reader.blocks()] == whole
    assert reader.damage is not None
    assert reader.damage.offset <= at


@given(st.binary(max_size=400), st.booleans())
@settings(max_examples=150, deadline=None)
def test_bytes_of_any_kind_are_read_or_refused_and_nothing_else(noise: bytes, headed) -> None:
    body = tape.encode_header(HEADER) + noise if headed else noise
    try:
        reader = Tape(BytesIO(body))
    except MessageError:
        assert not headed
        return
    assert [*reader.blocks()] == []
    assert reader.damage is not None
    assert reader.heads() == []


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda body: body[:0], "no tape: the file does not begin as one"),
        (lambda body: body[:20], "tape header is cut off: 20 of 48 bytes"),
        (lambda body: body[:8] + b"\1" + body[9:], "tape header is damaged: its checksum differs"),
        (lambda body: body.replace(b"\r\n", b"\n", 1), "no tape: the file does not begin as one"),
    ],
)
def test_header_that_is_none_is_refused_in_one_sentence(change, sentence: str) -> None:
    with pytest.raises(MessageError) as caught:
        opened(change(tape_of([block_of(FIRST)])))
    assert str(caught.value) == sentence


def test_tape_from_a_time_begins_with_the_block_that_reaches_it() -> None:
    body, _ = three()
    assert played(body, from_ns=20) == ([SECOND, THIRD], "")
    assert played(body, from_ns=31) == ([], "")
    assert played(body, from_ns=1) == ([FIRST, SECOND, THIRD], "")


def test_tape_from_a_time_begins_there_without_an_index_too() -> None:
    body, offsets = three()
    end = offsets[2] + len(tape.encode_block(block_of(THIRD)))
    payloads, damage = played(body[:end], from_ns=20)
    assert payloads == [SECOND, THIRD]
    assert damage.startswith(f"byte {end}: the tape ends without its index")


def test_tape_from_a_time_keeps_what_describes_it_and_passes_by_damage_before_it() -> None:
    described = Block(kind=BlockKind.SHARD_MAP, payload=b"{}", segments=1)
    body, heads = tape_and_heads([described, block_of(FIRST), block_of(SECOND)])
    damaged = bytearray(body)
    damaged[heads[1].end - 1] ^= 1
    assert played(bytes(damaged)) == (
        [b"{}"],
        f"byte {heads[1].offset}: block is damaged: its checksum differs",
    )
    assert played(body, from_ns=20) == ([b"{}", SECOND], "")


def test_block_of_an_unknown_kind_is_passed_by() -> None:
    later = block_of(SECOND)
    body, heads = tape_and_heads([block_of(FIRST), later], closed=False)
    unknown = bytearray(body[heads[1].offset :])
    unknown[4:6] = (99).to_bytes(2, "little")
    sound = tape._checked(bytes(unknown[: tape.BLOCK_HEADER_BYTES]), unknown[64:]) + unknown[64:]
    payloads, _ = played(body[: heads[1].offset] + sound + tape.encode_block(block_of(THIRD)))
    assert payloads == [FIRST, THIRD]


def test_bytes_after_the_end_are_named() -> None:
    body, _ = three()
    payloads, damage = played(body + b"more")
    assert payloads == [FIRST, SECOND, THIRD]
    assert "bytes follow the index, not 24" in damage


def test_block_with_a_sound_checksum_yet_broken_segments_is_damage() -> None:
    body = tape_of([Block(kind=BlockKind.SEGMENTS, payload=FIRST[:-1], segments=1)])
    assert played(body) == ([], "byte 48: segment at byte 12: length 8, 7 left")


def test_block_over_its_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="over"):
        tape.encode_block(Block(kind=BlockKind.SEGMENTS, payload=bytes(tape.BLOCK_BYTES_MAX + 1)))


@pytest.mark.parametrize(
    ("frame", "packets"),
    [(b"", 0), (b"\0", 0), (b"\0\1\0\4abcd", 1), (b"\xff\xff\0\4abcd", 1), (b"\0\0", 0)],
)
def test_frame_counts_no_more_packets_than_fit(frame: bytes, packets: int) -> None:
    assert packets_of(memoryview(frame)) == packets
