"""Tape files read by the sandbox's own eyes: docs/tapes.md is all it knows of them."""

from __future__ import annotations

import heapq
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import zstandard

from shared.errors import SettingsError

FILE_MAGIC = b"TFTAPE\r\n"
BLOCK_MAGIC = b"TBLK"
FORMAT = 1
KIND_SEGMENTS = 1
KIND_INSTRUMENTS = 2
KIND_INDEX = 4
PAYLOAD_BYTES_MAX = 17 * 1024 * 1024
CHECKSUM_BYTES = 4
# magic, created, instruments version, shard, format, account, reserved, checksum.
_FILE_HEADER = struct.Struct("<8sQIHH16sII")
# magic, kind, socket, stored, raw, first, last, segments, packets, account, missed, checksum.
_BLOCK_HEADER = struct.Struct("<4sHHIIQQII16sII")
_SEGMENT = struct.Struct("<QI")


class Recorded(NamedTuple):
    """One frame of a tape with the Unix nanosecond at which it was received."""

    at_ns: int
    frame: bytes


class TapeFiles:
    """Tapes played together by time; each one up to its damage, which is remembered."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Look at every header.

        Raises:
            SettingsError: a file cannot be read or is no tape.
        """
        self._paths = tuple(paths)
        self.damages: dict[str, str] = {}
        for path in self._paths:
            try:
                with path.open("rb") as file:
                    _check_header(path, file.read(_FILE_HEADER.size))
            except OSError as error:
                raise SettingsError(
                    f"--tape {path} cannot be read: {error.strerror or error}"
                ) from error

    def frames(self) -> Iterator[Recorded]:
        """Yield the frames of all tapes by time, those of one tape in their order."""
        tapes = [self._frames_of(path) for path in self._paths]
        return heapq.merge(*tapes, key=lambda recorded: recorded.at_ns)

    def instruments(self) -> list[bytes]:
        """Return the blocks of instruments that the tapes begin with."""
        found: list[bytes] = []
        for path in self._paths:
            with path.open("rb") as file:
                file.seek(_FILE_HEADER.size)
                try:
                    while (block := _block(file))[0] not in (KIND_SEGMENTS, KIND_INDEX):
                        if block[0] == KIND_INSTRUMENTS:
                            found.append(block[1])
                except (ValueError, zstandard.ZstdError):
                    continue  # told when the tape is played
        return found

    def _frames_of(self, path: Path) -> Iterator[Recorded]:
        offset = _FILE_HEADER.size
        with path.open("rb") as file:
            file.seek(offset)
            try:
                while True:
                    kind, payload = _block(file)
                    if kind == KIND_INDEX:
                        return
                    if kind == KIND_SEGMENTS:
                        yield from _segments(payload)
                    offset = file.tell()
            except (ValueError, zstandard.ZstdError) as error:
                self.damages[str(path)] = f"byte {offset}: {error}"


def _check_header(path: Path, header: bytes) -> None:
    if len(header) < _FILE_HEADER.size or header[:8] != FILE_MAGIC:
        raise SettingsError(f"--tape {path} is no tape")
    fields = _FILE_HEADER.unpack(header)
    if fields[-1] != zlib.crc32(header[:-CHECKSUM_BYTES]) or fields[4] != FORMAT:
        raise SettingsError(f"--tape {path} has a damaged header, or another format than {FORMAT}")


def _block(file: BinaryIO) -> tuple[int, bytes]:
    header = file.read(_BLOCK_HEADER.size)
    if not header:
        raise ValueError("the tape ends without its index")
    if len(header) < _BLOCK_HEADER.size or header[:4] != BLOCK_MAGIC:
        raise ValueError("no whole block begins here")
    fields = _BLOCK_HEADER.unpack(header)
    kind, stored_bytes, raw_bytes, checksum = fields[1], fields[3], fields[4], fields[-1]
    if max(stored_bytes, raw_bytes) > PAYLOAD_BYTES_MAX:
        raise ValueError("the block promises more than a block may hold")
    stored = file.read(stored_bytes)
    if checksum != zlib.crc32(stored, zlib.crc32(header[:-CHECKSUM_BYTES])):
        raise ValueError("the block's checksum differs")
    if zstandard.frame_content_size(stored) != raw_bytes:
        raise ValueError("the block does not hold what it promises")
    return kind, zstandard.ZstdDecompressor().decompress(stored)


def _segments(payload: bytes) -> Iterator[Recorded]:
    offset = 0
    while offset < len(payload):
        if len(payload) - offset < _SEGMENT.size:
            raise ValueError("a segment is cut off within the block")
        at_ns, length = _SEGMENT.unpack_from(payload, offset)
        offset += _SEGMENT.size
        if offset + length > len(payload):
            raise ValueError("a segment is cut off within the block")
        yield Recorded(at_ns, payload[offset : offset + length])
        offset += length
