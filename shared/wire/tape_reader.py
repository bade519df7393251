"""A tape read block by block, as far as it is sound."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np

from shared.errors import MessageError
from shared.wire import tape
from shared.wire.segments import iterate
from shared.wire.tape import Block, BlockHead, BlockKind, TapeHeader

#: Bytes of the count that begins a frame; of the shortest packet with its length.
_COUNT_BYTES = 2
_PACKET_BYTES_MIN = 6
_KNOWN = frozenset(int(kind) for kind in BlockKind)
_DESCRIBING = frozenset({int(BlockKind.INSTRUMENTS), int(BlockKind.SHARD_MAP)})


class Damage(NamedTuple):
    """Where a tape stops being readable; everything before `offset` is used."""

    offset: int
    reason: str

    def __str__(self) -> str:
        return f"byte {self.offset}: {self.reason}"


class Tape:
    """One tape file; the source is anything that seeks and reads bytes.

    After `blocks` or `heads` came to their end `damage` says what ended them too early, None for
    nothing.
    """

    def __init__(self, source: BinaryIO) -> None:
        """Read the header.

        Raises:
            MessageError: nothing can be read: it is no tape, or its header is damaged.
        """
        self._source = source
        self.size_bytes = source.seek(0, 2)
        self.header: TapeHeader = tape.decode_header(self._read(0, tape.HEADER_BYTES))
        self.damage: Damage | None = None

    def blocks(self, *, from_ns: int = 0) -> Iterator[tuple[BlockHead, Block]]:
        """Yield sound blocks of a known kind in order, then set `damage`.

        Blocks of segments that end before `from_ns` are left out; with a sound index they are not
        even read. A block of segments holds whole segments, as many as its header says.
        """
        self.damage = None
        offset, start = tape.HEADER_BYTES, self._start(from_ns)
        try:
            while True:
                head, payload = self._block(offset)
                # What describes the tape stands before its first block of segments: no skipping it.
                if offset < start and head.kind not in _DESCRIBING:
                    offset = start
                    continue
                if head.kind == BlockKind.INDEX:
                    self._check_end(head)
                    return
                if head.kind == BlockKind.SEGMENTS:
                    _check_segments(head, payload)
                if head.kind in _KNOWN and not _is_before(head, from_ns):
                    yield head, _block(head, payload)
                offset = head.end
        except MessageError as error:
            self.damage = Damage(offset, str(error))

    def heads(self) -> list[BlockHead]:
        """Return the heads of the blocks of segments: by the index, else by a walk over them all.

        Only the walk finds damage inside a block.
        """
        rows = self._index()
        if rows is not None:
            try:
                return [self._head(offset) for offset in rows["offset"].tolist()]
            except MessageError:
                pass  # the walk says where
        return [head for head, _ in self.blocks() if head.kind == BlockKind.SEGMENTS]

    def _start(self, from_ns: int) -> int:
        """Return the offset of the first block that reaches `from_ns`."""
        rows = self._index() if from_ns else None
        if rows is None:
            return tape.HEADER_BYTES
        reaching = np.flatnonzero(rows["last_received_at_ns"] >= from_ns)
        if not len(reaching):
            return self._index_offset()
        first = int(reaching[0])
        return int(rows["offset"][first]) if first else tape.HEADER_BYTES

    def _index(self) -> np.ndarray | None:
        """Return the rows of the index, None where there is no sound one."""
        try:
            head, payload = self._block(self._index_offset())
            if head.kind != BlockKind.INDEX:
                return None
            return np.frombuffer(payload, tape.INDEX_DTYPE)
        except (MessageError, ValueError):  # bytes of no whole rows
            return None

    def _index_offset(self) -> int:
        at = max(0, self.size_bytes - tape.TRAILER_BYTES)
        return tape.decode_trailer(self._read(at, tape.TRAILER_BYTES))

    def _head(self, offset: int) -> BlockHead:
        if offset == self.size_bytes:
            raise MessageError(
                "the tape ends without its index: it is still written, or its writer was killed"
            )
        return tape.decode_block_head(self._read(offset, tape.BLOCK_HEADER_BYTES), offset)

    def _block(self, offset: int) -> tuple[BlockHead, bytes]:
        head = self._head(offset)
        both = self._read(offset, tape.BLOCK_HEADER_BYTES + head.stored_bytes)
        header, stored = both[: tape.BLOCK_HEADER_BYTES], both[tape.BLOCK_HEADER_BYTES :]
        return head, tape.decode_payload(header, stored, head)

    def _check_end(self, index: BlockHead) -> None:
        left = self.size_bytes - index.end
        if left != tape.TRAILER_BYTES:
            raise MessageError(f"{left} bytes follow the index, not {tape.TRAILER_BYTES}")
        if tape.decode_trailer(self._read(index.end, tape.TRAILER_BYTES)) != index.offset:
            raise MessageError("the trailer names another index")

    def _read(self, offset: int, size: int) -> bytes:
        self._source.seek(offset)
        return self._source.read(size)


def packets_of(frame: memoryview) -> int:
    """Return how many packets a frame holds: what it says, at most what fits."""
    if len(frame) < _COUNT_BYTES:
        return 0
    fitting = (len(frame) - _COUNT_BYTES) // _PACKET_BYTES_MIN
    return min(int.from_bytes(frame[:_COUNT_BYTES], "big"), fitting)


def _check_segments(head: BlockHead, payload: bytes) -> None:
    found = sum(1 for _ in iterate(payload))
    if found != head.segments:
        raise MessageError(f"block holds {found} segments, not {head.segments}")


def _is_before(head: BlockHead, from_ns: int) -> bool:
    return head.kind == BlockKind.SEGMENTS and head.last_ns < from_ns


def _block(head: BlockHead, payload: bytes) -> Block:
    return Block(
        kind=BlockKind(head.kind),
        payload=payload,
        account=head.account,
        socket=head.socket,
        first_ns=head.first_ns,
        last_ns=head.last_ns,
        segments=head.segments,
        packets=head.packets,
        missed_entries=head.missed_entries,
    )
