"""Tapes built in memory, raw entries built from segments."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO

import numpy as np

from shared.streams.entry import Entry
from shared.streams.ids import EntryId
from shared.wire import tape
from shared.wire.tape import Block, BlockHead, TapeHeader
from shared.wire.tape_filling import Filling, pieces_of
from shared.wire.tape_reader import Tape
from shared.wire.ticks import RAW_HEADER_DTYPE
from shared.wire.topics import RAW_TICKS

VERSION = 2026112200
HEADER = TapeHeader(
    shard=3, instruments_version=VERSION, created_ns=1_795_500_000_000_000_000, account="AB1234"
)


def block_of(segments: bytes, *, account: str = "AB1234", socket: int = 0) -> Block:
    """Return a block of whole segments."""
    filling = Filling()
    for piece in pieces_of(segments):
        filling.add(piece, account, socket)
    return filling.take()


def tape_of(blocks: Sequence[Block], *, closed: bool = True) -> bytes:
    """Return a tape file's bytes."""
    return tape_and_heads(blocks, closed=closed)[0]


def tape_and_heads(
    blocks: Sequence[Block], *, closed: bool = True
) -> tuple[bytes, list[BlockHead]]:
    """Return a tape file's bytes with the head of every block."""
    body, heads = tape.encode_header(HEADER), []
    for block in blocks:
        encoded = tape.encode_block(block)
        heads.append(tape.decode_block_head(encoded[: tape.BLOCK_HEADER_BYTES], len(body)))
        body += encoded
    return (body + tape.encode_end(heads, len(body)) if closed else body), heads


def opened(body: bytes) -> Tape:
    """Return a reader of a tape in memory."""
    return Tape(BytesIO(body))


def raw_entry(
    segments: bytes,
    *,
    sequence: int = 0,
    packets: int = 0,
    shard: int = 0,
    version: int = 0,
    **more: int | bytes,
) -> Entry:
    """Return an entry of a raw stream; `more` are fields of its header."""
    header = np.zeros(1, RAW_HEADER_DTYPE)
    header["account"], header["sequence"], header["packets"] = b"AB1234", sequence, packets
    header["shard"], header["instruments_version"] = shard, version
    for name, value in more.items():
        header[name] = value
    fields = {b"h": header.tobytes(), b"s": segments}
    return Entry(RAW_TICKS.name(shard), EntryId(1, sequence), fields)
