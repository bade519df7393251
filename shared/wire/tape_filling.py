"""A block of a tape while it is being filled."""

from __future__ import annotations

from dataclasses import dataclass

from shared.wire.segments import SEGMENT_HEADER_BYTES, iterate
from shared.wire.tape import BLOCK_BYTES_MAX, Block, BlockKind
from shared.wire.tape_reader import packets_of
from shared.wire.ticks import SOCKET_SEVERAL


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole segments of one entry with what a block's header says of them."""

    segments: bytes
    count: int
    packets: int
    first_ns: int
    last_ns: int


class Filling:
    """Gathers pieces until they are taken as one block."""

    def __init__(self) -> None:
        self._pieces: list[Piece] = []
        self._account = ""
        self._socket = 0
        self.size_bytes = 0
        #: Stream entries lost before what comes next.
        self.missed_entries = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    @property
    def account(self) -> str:
        """Return whose sockets it came over; empty if several accounts'."""
        return self._account

    def add(self, piece: Piece, account: str, socket: int) -> None:
        """Append a piece."""
        if not self._pieces:
            self._account, self._socket = account, socket
        elif account != self._account:
            self._account, self._socket = "", SOCKET_SEVERAL
        elif socket != self._socket:
            self._socket = SOCKET_SEVERAL
        self._pieces.append(piece)
        self.size_bytes += len(piece.segments)

    def take(self) -> Block:
        """Return the block, leaving nothing behind."""
        pieces = self._pieces
        block = Block(
            kind=BlockKind.SEGMENTS,
            payload=b"".join(piece.segments for piece in pieces),
            account=self._account,
            socket=self._socket,
            first_ns=min(piece.first_ns for piece in pieces),
            last_ns=max(piece.last_ns for piece in pieces),
            segments=sum(piece.count for piece in pieces),
            packets=sum(piece.packets for piece in pieces),
            missed_entries=self.missed_entries,
        )
        self._pieces, self.size_bytes, self.missed_entries = [], 0, 0
        return block


def pieces_of(segments: bytes) -> list[Piece]:
    """Return an entry's segments, parted only where they exceed what a block may hold.

    Raises:
        MessageError: the bytes are not whole segments.
    """
    pieces: list[Piece] = []
    times: list[int] = []
    begin = end = packets = 0
    for at_ns, frame in iterate(segments):
        size = SEGMENT_HEADER_BYTES + len(frame)
        if end + size - begin > BLOCK_BYTES_MAX:
            pieces.append(_piece(segments[begin:end], times, packets))
            begin, packets, times = end, 0, []
        times.append(at_ns)
        packets += packets_of(frame)
        end += size
    if times:
        pieces.append(_piece(segments[begin:end], times, packets))
    return pieces


def _piece(segments: bytes, times: list[int], packets: int) -> Piece:
    return Piece(segments, len(times), packets, min(times), max(times))
