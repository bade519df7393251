"""The bytes of a tape file: a header, then checked blocks of compressed segments, then an index.

```text
tape_header | block | block | ... | block of kind INDEX | tape_trailer
block = block_header | payload, one zstandard frame of stored_bytes
```

Everything is little-endian. A checksum is always the last field of its record: CRC-32 of the bytes
of the record before it, carried on over the payload where there is one. Who does not know a kind of
block skips it. Blocks alone make a readable tape: the index only saves a walk over them.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final, NamedTuple

import numpy as np
import zstandard

from shared.errors import MessageError
from shared.wire.layout import Field, Layout

FORMAT: Final = 1
FILE_SUFFIX: Final = ".tape"
MAGIC: Final = b"TFTAPE\r\n"
BLOCK_MAGIC: Final = b"TBLK"
TRAILER_MAGIC: Final = b"TAPEEND\n"
#: Payload of one block before compression; four times the largest frame.
BLOCK_BYTES_MAX: Final = 16 * 1024 * 1024
#: What zstandard may make of it at worst.
STORED_BYTES_MAX: Final = BLOCK_BYTES_MAX + 64 * 1024
#: The library's own default: a live market's packets shrink to less than half.
LEVEL: Final = 3
CHECKSUM_BYTES: Final = 4


class BlockKind(IntEnum):
    """What a block's payload is."""

    SEGMENTS = 1
    INSTRUMENTS = 2
    SHARD_MAP = 3
    INDEX = 4


TAPE_HEADER = Layout(
    name="tape_header",
    version=FORMAT,
    fields=(
        Field("magic", "|S8", "", "`TFTAPE` with CR and LF: a transfer as text is noticed"),
        Field("created_ns", "<u8", "Unix ns, UTC", "when the file was begun"),
        Field("instruments_version", "<u4", "yyyymmddnn", "instruments that routed the packets"),
        Field("shard", "<u2", "", "whose raw stream this is"),
        Field("format", "<u2", "", "version of these layouts"),
        Field("account", "|S16", "", "account of the first block, NUL padded"),
        Field("reserved", "<u4", "", "zero"),
        Field("checksum", "<u4", "", "CRC-32 of the bytes before"),
    ),
    meaning="the first bytes of a tape",
)
BLOCK_HEADER = Layout(
    name="tape_block",
    version=FORMAT,
    fields=(
        Field("magic", "|S4", "", "`TBLK`"),
        Field("kind", "<u2", "", "1 segments, 2 instruments, 3 shard map, 4 index"),
        Field("socket", "<u2", "", "which socket of the account; 65535: several joined"),
        Field("stored_bytes", "<u4", "bytes", "size of the payload in the file"),
        Field("raw_bytes", "<u4", "bytes", "size of the payload once decompressed"),
        Field("first_received_at_ns", "<u8", "Unix ns, UTC", "earliest receive time within"),
        Field("last_received_at_ns", "<u8", "Unix ns, UTC", "latest receive time within"),
        Field("segments", "<u4", "count", "segments within; rows or 1 for other kinds"),
        Field("packets", "<u4", "count", "Kite packets within"),
        Field("account", "|S16", "", "account whose sockets they came over; empty: several"),
        Field("missed_entries", "<u4", "count", "stream entries lost just before this block"),
        Field("checksum", "<u4", "", "CRC-32 of the bytes before, then of the payload"),
    ),
    meaning="before every block's payload",
)
INDEX_ROW = Layout(
    name="tape_index",
    version=FORMAT,
    fields=(
        Field("offset", "<u8", "bytes", "where the block begins"),
        Field("first_received_at_ns", "<u8", "Unix ns, UTC", "as in the block"),
        Field("last_received_at_ns", "<u8", "Unix ns, UTC", "as in the block"),
        Field("segments", "<u4", "count", "as in the block"),
        Field("packets", "<u4", "count", "as in the block"),
    ),
    meaning="one row per block of segments, the payload of the block of kind 4",
)
TRAILER = Layout(
    name="tape_trailer",
    version=FORMAT,
    fields=(
        Field("magic", "|S8", "", "`TAPEEND` with LF"),
        Field("index_offset", "<u8", "bytes", "where the block of kind 4 begins"),
        Field("blocks", "<u4", "count", "blocks of segments in the file"),
        Field("checksum", "<u4", "", "CRC-32 of the bytes before"),
    ),
    meaning="the last bytes of a tape that was closed",
)
LAYOUTS: Final = (TAPE_HEADER, BLOCK_HEADER, INDEX_ROW, TRAILER)

HEADER_DTYPE: np.dtype[np.void] = TAPE_HEADER.dtype
BLOCK_DTYPE: np.dtype[np.void] = BLOCK_HEADER.dtype
INDEX_DTYPE: np.dtype[np.void] = INDEX_ROW.dtype
TRAILER_DTYPE: np.dtype[np.void] = TRAILER.dtype
HEADER_BYTES: Final = HEADER_DTYPE.itemsize
BLOCK_HEADER_BYTES: Final = BLOCK_DTYPE.itemsize
TRAILER_BYTES: Final = TRAILER_DTYPE.itemsize


class TapeHeader(NamedTuple):
    """Whose tape it is."""

    shard: int
    instruments_version: int
    created_ns: int
    account: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """One block with its payload as it was before compression; times in Unix nanoseconds."""

    kind: BlockKind
    payload: bytes
    account: str = ""
    socket: int = 0
    first_ns: int = 0
    last_ns: int = 0
    segments: int = 0
    packets: int = 0
    missed_entries: int = 0


@dataclass(frozen=True, slots=True)
class BlockHead:
    """What a block's header promises; `offset` is where the block begins in the file."""

    kind: int
    offset: int
    stored_bytes: int
    raw_bytes: int
    first_ns: int
    last_ns: int
    segments: int
    packets: int
    account: str
    socket: int
    missed_entries: int

    @property
    def end(self) -> int:
        """Return the offset behind the block."""
        return self.offset + BLOCK_HEADER_BYTES + self.stored_bytes


def encode_header(header: TapeHeader) -> bytes:
    """Return the first bytes of a tape."""
    row = np.zeros((), HEADER_DTYPE)
    row["magic"], row["format"] = MAGIC, FORMAT
    row["created_ns"], row["shard"] = header.created_ns, header.shard
    row["instruments_version"] = header.instruments_version
    row["account"] = header.account.encode()
    return _checked(row.tobytes())


def decode_header(body: bytes) -> TapeHeader:
    """Read the first bytes of a tape.

    Raises:
        MessageError: they are not those of a tape, are damaged, or of a format not known here.
    """
    if body[: len(MAGIC)] != MAGIC:
        raise MessageError("no tape: the file does not begin as one")
    if len(body) < HEADER_BYTES:
        raise MessageError(f"tape header is cut off: {len(body)} of {HEADER_BYTES} bytes")
    row = _row(body[:HEADER_BYTES], HEADER_DTYPE)
    if not _is_sound(body[:HEADER_BYTES], row):
        raise MessageError("tape header is damaged: its checksum differs")
    if row["format"] != FORMAT:
        raise MessageError(f"tape format is {row['format']}; this version reads {FORMAT}")
    return TapeHeader(
        shard=int(row["shard"]),
        instruments_version=int(row["instruments_version"]),
        created_ns=int(row["created_ns"]),
        account=bytes(row["account"]).decode("ascii", "replace"),
    )


def encode_block(block: Block) -> bytes:
    """Return a block as it lies in the file.

    Raises:
        ValueError: the payload is over BLOCK_BYTES_MAX.
    """
    if len(block.payload) > BLOCK_BYTES_MAX:
        raise ValueError(f"block of {len(block.payload)} bytes is over {BLOCK_BYTES_MAX}")
    stored = zstandard.ZstdCompressor(level=LEVEL).compress(block.payload)
    row = np.zeros((), BLOCK_DTYPE)
    row["magic"], row["kind"], row["socket"] = BLOCK_MAGIC, block.kind, block.socket
    row["stored_bytes"], row["raw_bytes"] = len(stored), len(block.payload)
    row["first_received_at_ns"], row["last_received_at_ns"] = block.first_ns, block.last_ns
    row["segments"], row["packets"] = block.segments, block.packets
    row["account"], row["missed_entries"] = block.account.encode(), block.missed_entries
    return _checked(row.tobytes(), stored) + stored


def decode_block_head(body: bytes, offset: int) -> BlockHead:
    """Read a block's header; the checksum needs the payload, too: see `decode_payload`.

    Raises:
        MessageError: no block begins here, or it promises more than a block may hold.
    """
    if len(body) < BLOCK_HEADER_BYTES:
        raise MessageError(f"block header is cut off: {len(body)} of {BLOCK_HEADER_BYTES} bytes")
    row = _row(body, BLOCK_DTYPE)
    if row["magic"] != BLOCK_MAGIC:
        raise MessageError("no block begins here")
    head = BlockHead(
        kind=int(row["kind"]),
        offset=offset,
        stored_bytes=int(row["stored_bytes"]),
        raw_bytes=int(row["raw_bytes"]),
        first_ns=int(row["first_received_at_ns"]),
        last_ns=int(row["last_received_at_ns"]),
        segments=int(row["segments"]),
        packets=int(row["packets"]),
        account=bytes(row["account"]).decode("ascii", "replace"),
        socket=int(row["socket"]),
        missed_entries=int(row["missed_entries"]),
    )
    if head.stored_bytes > STORED_BYTES_MAX or head.raw_bytes > BLOCK_BYTES_MAX:
        raise MessageError(
            f"block header promises {head.raw_bytes} bytes in {head.stored_bytes}, "
            f"over {BLOCK_BYTES_MAX}"
        )
    return head


def decode_payload(header: bytes, stored: bytes, head: BlockHead) -> bytes:
    """Return a block's payload, decompressed, once its checksum agrees.

    Raises:
        MessageError: it is cut off or damaged.
    """
    if len(stored) < head.stored_bytes:
        raise MessageError(f"block is cut off: {len(stored)} of {head.stored_bytes} payload bytes")
    if not _is_sound(header, _row(header, BLOCK_DTYPE), stored):
        raise MessageError("block is damaged: its checksum differs")
    try:
        # Asked first: the library would make room for whatever the frame promises.
        if zstandard.frame_content_size(stored) != head.raw_bytes:
            raise MessageError(f"block does not hold the {head.raw_bytes} bytes it promises")
        return zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as error:
        raise MessageError(f"block does not decompress: {error}") from error


def encode_end(rows: Iterable[BlockHead], index_offset: int) -> bytes:
    """Return what closes a tape: the index of its blocks of segments, then the trailer."""
    listed = [
        (row.offset, row.first_ns, row.last_ns, row.segments, row.packets)
        for row in rows
        if row.kind == BlockKind.SEGMENTS
    ]
    table = np.array(listed, dtype=INDEX_DTYPE)
    index = Block(kind=BlockKind.INDEX, payload=table.tobytes(), segments=len(listed))
    trailer = np.zeros((), TRAILER_DTYPE)
    trailer["magic"], trailer["index_offset"] = TRAILER_MAGIC, index_offset
    trailer["blocks"] = len(listed)
    return encode_block(index) + _checked(trailer.tobytes())


def decode_trailer(body: bytes) -> int:
    """Return where the index begins.

    Raises:
        MessageError: the bytes are no trailer, or damaged.
    """
    if len(body) != TRAILER_BYTES or body[: len(TRAILER_MAGIC)] != TRAILER_MAGIC:
        raise MessageError("no trailer closes the tape")
    row = _row(body, TRAILER_DTYPE)
    if not _is_sound(body, row):
        raise MessageError("trailer is damaged: its checksum differs")
    return int(row["index_offset"])


def _row(body: bytes, dtype: np.dtype[np.void]) -> Any:
    return np.frombuffer(body, dtype, count=1)[0]


def _checked(record: bytes, payload: bytes = b"") -> bytes:
    before = record[:-CHECKSUM_BYTES]
    checksum = zlib.crc32(payload, zlib.crc32(before))
    return before + checksum.to_bytes(CHECKSUM_BYTES, "little")


def _is_sound(record: bytes, row: Any, payload: bytes = b"") -> bool:
    checksum = zlib.crc32(payload, zlib.crc32(record[:-CHECKSUM_BYTES]))
    return bool(row["checksum"] == checksum)
