"""Raw entries of many shards onto tapes: blocks filled, files rotated, losses counted."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np

from shared.clock import Clock
from shared.errors import LocalError, MessageError
from shared.streams.entry import Entry
from shared.streams.tape_file import Opener, TapeFile, create
from shared.wire.shards import ShardMap
from shared.wire.tape import FILE_SUFFIX, Block, BlockKind, TapeHeader
from shared.wire.tape_filling import Filling, Piece, pieces_of
from shared.wire.ticks import RAW_HEADER_DTYPE

#: Files of one shard begun within the same second.
NAMES_MAX = 1000
#: Versions of the instruments that are kept in memory for new files.
MARKETS_MAX = 2


@dataclass(frozen=True, slots=True)
class TapeTerms:
    """Where tapes go, when a block is full, when a file is."""

    directory: Path
    block_bytes: int = 1024 * 1024
    #: A block is written this long after its first entry at the latest: what a crash may cost.
    flush_s: float = 1.0
    #: Between two fsyncs: what a power cut may cost.
    sync_s: float = 5.0
    rotate_bytes: int = 256 * 1024 * 1024
    rotate_s: float = 3600.0
    #: Recording stops before the disk is full for everybody else.
    free_bytes_min: int = 512 * 1024 * 1024


@dataclass(slots=True)
class Recorded:
    """What was recorded so far."""

    entries: int = 0
    packets: int = 0
    #: Bytes of segments, then what they take on the disk.
    raw_bytes: int = 0
    stored_bytes: int = 0
    #: Entries that were trimmed before they were read, by their sequence numbers.
    missed_entries: int = 0
    #: Entries that are not what they claim to be.
    unreadable_entries: int = 0
    files: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Track:
    """One shard: its open file, the block being filled, where its writers' sequences are."""

    shard: int
    file: TapeFile | None = None
    version: int = 0
    began_s: float = 0.0
    filled_since_s: float = 0.0
    filling: Filling = field(default_factory=Filling)
    #: By account and epoch.
    next_sequences: dict[tuple[bytes, int], int] = field(default_factory=dict)


class TapeDeck:
    """Holds one tape a shard; blocking, so it is called off the loop.

    One call runs at a time: `close` waits for what a cancelled caller left running.
    """

    def __init__(
        self,
        terms: TapeTerms,
        clock: Clock,
        *,
        opener: Opener = create,
        free_bytes: Callable[[Path], int] = lambda path: shutil.disk_usage(path).free,
    ) -> None:
        self._terms = terms
        self._clock = clock
        self._opener = opener
        self._free_bytes = free_bytes
        self._tracks: dict[int, _Track] = {}
        self._markets: dict[int, tuple[np.ndarray, ShardMap]] = {}
        self._sync_due_s = 0.0
        self._lock = threading.Lock()
        self._is_closed = False
        self.recorded = Recorded()

    def lacks(self, version: int) -> bool:
        """Say whether the instruments of a version are not known here."""
        return version not in self._markets

    def know(self, version: int, instruments: np.ndarray, shard_map: ShardMap) -> None:
        """Remember the instruments of a version: new files begin with those of their shard."""
        while len(self._markets) >= MARKETS_MAX:
            del self._markets[min(self._markets)]
        self._markets[version] = (instruments, shard_map)

    def take(self, shard: int, entries: Sequence[Entry]) -> None:
        """Put the entries of a shard's raw stream onto its tape.

        Raises:
            LocalError: the disk is full or does not take it; the sentence says which.
        """
        with self._lock:
            if self._is_closed:  # a cancelled caller's thread that comes late
                return
            track = self._tracks.setdefault(shard, _Track(shard))
            for entry in entries:
                try:
                    header = _header(entry)
                    pieces = pieces_of(entry.fields[b"s"])
                except (MessageError, KeyError):
                    self.recorded.unreadable_entries += 1
                    continue
                self._follow(track, header)
                for piece in pieces:
                    self._put(track, header, piece)
                self.recorded.entries += 1

    def tend(self) -> None:
        """Write blocks that waited long enough, rotate files that are old, sync what is due.

        Raises:
            LocalError: the disk is full or does not take it; the sentence says which.
        """
        with self._lock:
            now_s = self._clock.monotonic_s()
            for track in self._tracks.values():
                if track.filling and now_s - track.filled_since_s >= self._terms.flush_s:
                    self._flush(track)
                if track.file and now_s - track.began_s >= self._terms.rotate_s:
                    self._flush(track)
                    self._finish(track)
            if now_s >= self._sync_due_s:
                self._sync_due_s = now_s + self._terms.sync_s
                self._check_space()
                for track in self._tracks.values():
                    if track.file:
                        track.file.sync()

    def close(self) -> None:
        """Write what is left, close every tape.

        Raises:
            LocalError: something cannot be written; every other tape is closed all the same.
        """
        trouble: LocalError | None = None
        with self._lock:
            self._is_closed = True
            for track in self._tracks.values():
                for step in (self._flush, self._finish):
                    try:
                        step(track)
                    except LocalError as error:
                        trouble = trouble or error
        if trouble is not None:
            raise trouble

    def _follow(self, track: _Track, header: np.void) -> None:
        """Count what the sequence numbers say was lost; entries written twice are kept twice."""
        key = (bytes(header["account"]), int(header["epoch"]))
        sequence = int(header["sequence"])
        expected = track.next_sequences.get(key)
        if expected is None:
            # A new epoch of an account ends its former one.
            track.next_sequences = {
                known: after for known, after in track.next_sequences.items() if known[0] != key[0]
            }
        elif sequence > expected:
            # Before the gap and behind it: two blocks, so that the place of the loss is told.
            self._flush(track)
            track.filling.missed_entries += sequence - expected
            self.recorded.missed_entries += sequence - expected
        track.next_sequences[key] = max(sequence + 1, expected or 0)

    def _put(self, track: _Track, header: np.void, piece: Piece) -> None:
        version, filling = int(header["instruments_version"]), track.filling
        if version != track.version:
            self._flush(track)
            self._finish(track)
            track.version = version
        if filling and filling.size_bytes + len(piece.segments) > self._terms.block_bytes:
            self._flush(track)
        if not filling:
            track.filled_since_s = self._clock.monotonic_s()
        account = bytes(header["account"]).decode("ascii", "replace")
        filling.add(piece, account, int(header["socket"]))
        if filling.size_bytes >= self._terms.block_bytes:
            self._flush(track)

    def _flush(self, track: _Track) -> None:
        if not track.filling:
            return
        # Taken first: what a full disk refuses is lost, not gathered without end.
        account, block = track.filling.account, track.filling.take()
        file = track.file or self._begin(track, account)
        before = file.size_bytes
        file.add(block)
        self.recorded.packets += block.packets
        self.recorded.raw_bytes += len(block.payload)
        self.recorded.stored_bytes += file.size_bytes - before
        if file.size_bytes >= self._terms.rotate_bytes:
            self._finish(track)

    def _begin(self, track: _Track, account: str) -> TapeFile:
        self._check_space()
        header = TapeHeader(track.shard, track.version, self._clock.now_ns(), account)
        file = TapeFile(self._free_path(track.shard, header.created_ns), header, self._opener)
        track.file, track.began_s = file, self._clock.monotonic_s()
        self.recorded.files.append(str(file.path))
        if track.version in self._markets:
            for block in _described(track.shard, *self._markets[track.version]):
                file.add(block)
        self.recorded.stored_bytes += file.size_bytes
        return file

    def _finish(self, track: _Track) -> None:
        if (file := track.file) is not None:
            track.file = None
            before = file.size_bytes
            file.close()
            self.recorded.stored_bytes += file.size_bytes - before

    def _free_path(self, shard: int, created_ns: int) -> Path:
        moment = datetime.fromtimestamp(created_ns // 10**9, UTC)
        stem = f"raw-{shard:04d}-{moment:%Y%m%dT%H%M%SZ}"
        for number in range(NAMES_MAX):
            suffix = f"-{number}" if number else ""
            path = self._terms.directory / f"{stem}{suffix}{FILE_SUFFIX}"
            if not path.exists():
                return path
        raise LocalError(f"{self._terms.directory} has {NAMES_MAX} tapes called {stem}")

    def _check_space(self) -> None:
        free = self._free_bytes(self._terms.directory)
        if free < self._terms.free_bytes_min:
            raise LocalError(
                f"recording stops: {free} bytes are free under {self._terms.directory}, less than "
                f"the {self._terms.free_bytes_min} left to others; what was recorded is readable"
            )


def _header(entry: Entry) -> np.void:
    body = entry.fields[b"h"]
    if len(body) != RAW_HEADER_DTYPE.itemsize:
        raise MessageError(f"raw header is {len(body)} bytes, not {RAW_HEADER_DTYPE.itemsize}")
    header: np.void = np.frombuffer(body, RAW_HEADER_DTYPE)[0]
    return header


def _described(shard: int, instruments: np.ndarray, shard_map: ShardMap) -> list[Block]:
    mine = instruments[instruments["shard"] == shard]
    body = msgspec.json.encode(shard_map)
    return [
        Block(kind=BlockKind.INSTRUMENTS, payload=mine.tobytes(), segments=len(mine)),
        Block(kind=BlockKind.SHARD_MAP, payload=body, segments=1),
    ]
