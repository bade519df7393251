"""Tape files found, opened one after the other, played together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from shared.errors import LocalError, MessageError
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.playback import Cut, Slice, merged, slices
from shared.wire.shards import ShardMap
from shared.wire.tape import FILE_SUFFIX, BlockKind, TapeHeader
from shared.wire.tape_reader import Damage, Tape


@dataclass(frozen=True, slots=True)
class Market:
    """What the tapes say of the instruments on them."""

    version: int
    instruments: np.ndarray
    shard_map: ShardMap


class Shelf:
    """Tapes of any shards; files of one shard are played in the order they were begun."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read every header; a directory stands for the tapes in it.

        Raises:
            LocalError: a file is not there or cannot be read, or there is none.
            MessageError: a file is no tape.
        """
        self._tapes: dict[int, list[tuple[TapeHeader, Path]]] = {}
        #: Where a tape ended too early; filled while playing.
        self.damages: dict[Path, Damage] = {}
        for path in found(paths):
            header = header_of(path)
            self._tapes.setdefault(header.shard, []).append((header, path))
        for tapes in self._tapes.values():
            tapes.sort(key=lambda tape: tape[0].created_ns)

    @property
    def shards(self) -> tuple[int, ...]:
        """Return whose tapes these are."""
        return tuple(sorted(self._tapes))

    def span_ns(self) -> tuple[int, int]:
        """Return the first and last receive time of everything; (0, 0) for empty tapes."""
        times: list[tuple[int, int]] = []
        for tapes in self._tapes.values():
            for _, path in tapes:
                with path.open("rb") as file:
                    times += [(head.first_ns, head.last_ns) for head in Tape(file).heads()]
        if not times:
            return 0, 0
        return min(first for first, _ in times), max(last for _, last in times)

    def slices(self, cut: Cut) -> Iterator[Slice]:
        """Yield all of it by time, up to the damage of each tape."""
        return merged([self._of_shard(tapes, cut) for tapes in self._tapes.values()])

    def market(self) -> Market | None:
        """Return the instruments of the newest version on the tapes, None for none."""
        version = 0
        tables: list[np.ndarray] = []
        shard_map: ShardMap | None = None
        for tapes in self._tapes.values():
            for header, path in reversed(tapes):
                found_here = _described(path)
                if found_here is None or header.instruments_version < version:
                    continue
                if header.instruments_version > version:
                    version, tables = header.instruments_version, []
                tables.append(found_here[0])
                shard_map = found_here[1]
                break
        if shard_map is None:
            return None
        return Market(version, np.sort(np.concatenate(tables), order="instrument_token"), shard_map)

    def _of_shard(self, tapes: Sequence[tuple[TapeHeader, Path]], cut: Cut) -> Iterator[Slice]:
        for _, path in tapes:
            with path.open("rb") as file:
                tape = Tape(file)
                for _, block in tape.blocks(from_ns=cut.from_ns):
                    if block.kind is BlockKind.SEGMENTS:
                        yield from slices(tape.header, block, cut)
                if tape.damage is not None:
                    self.damages[path] = tape.damage


def found(paths: Sequence[Path]) -> list[Path]:
    """Return the files meant by `paths`.

    Raises:
        LocalError: one is not there, or there is no tape at all.
    """
    files: list[Path] = []
    for path in paths:
        if not path.exists():
            raise LocalError(f"tape {path} is not there")
        files += sorted(path.glob(f"*{FILE_SUFFIX}")) if path.is_dir() else [path]
    if not files:
        raise LocalError(f"no tapes (*{FILE_SUFFIX}) in {', '.join(map(str, paths))}")
    return list(dict.fromkeys(files))


def header_of(path: Path) -> TapeHeader:
    """Return a tape's header.

    Raises:
        LocalError: the file cannot be read.
        MessageError: it is no tape.
    """
    try:
        with path.open("rb") as file:
            return Tape(file).header
    except OSError as error:
        raise LocalError(f"tape {path} cannot be read: {error.strerror}") from error
    except MessageError as error:
        raise MessageError(f"{path}: {error}") from error


def _described(path: Path) -> tuple[np.ndarray, ShardMap] | None:
    instruments: np.ndarray | None = None
    shard_map: ShardMap | None = None
    with path.open("rb") as file:
        for _, block in Tape(file).blocks():
            if block.kind is BlockKind.SEGMENTS:
                break
            if block.kind is BlockKind.INSTRUMENTS and _is_whole(block.payload):
                instruments = np.frombuffer(block.payload, INSTRUMENT_DTYPE)
            if block.kind is BlockKind.SHARD_MAP:
                shard_map = _shard_map(block.payload)
    if instruments is None or shard_map is None:
        return None
    return instruments, shard_map


def _is_whole(payload: bytes) -> bool:
    return len(payload) % INSTRUMENT_DTYPE.itemsize == 0


def _shard_map(payload: bytes) -> ShardMap | None:
    try:
        return msgspec.json.decode(payload, type=ShardMap)
    except msgspec.DecodeError:  # of another version of ours
        return None
