"""One tape file being written."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from io import RawIOBase
from pathlib import Path

from shared.errors import LocalError
from shared.wire import tape
from shared.wire.tape import Block, BlockHead, TapeHeader

#: Opens a file that must not exist yet, without a buffer of Python's.
Opener = Callable[[Path], RawIOBase]


def create(path: Path) -> RawIOBase:
    """Make a new file for writing.

    Raises:
        OSError: it exists, or the directory refuses it.
    """
    return path.open("xb", buffering=0)


class TapeFile:
    """Whole blocks are added; whatever happens between two of them leaves a readable tape."""

    def __init__(self, path: Path, header: TapeHeader, opener: Opener = create) -> None:
        """Create the file.

        Raises:
            LocalError: the machine does not let us; the sentence says why.
        """
        self.path = path
        self.header = header
        self.size_bytes = 0
        self.packets = 0
        self.first_ns = 0
        self._heads: list[BlockHead] = []
        self._unsynced = False
        try:
            self._file = opener(path)
        except OSError as error:
            raise LocalError(f"tape {path} cannot be made: {error.strerror}") from error
        try:
            self._write(tape.encode_header(header))
        except LocalError:
            self._file.close()
            path.unlink(missing_ok=True)  # without a header it is no tape
            raise
        _sync_directory(path.parent)

    def add(self, block: Block) -> None:
        """Write a block.

        Raises:
            LocalError: it cannot be written; the blocks before it stay readable.
        """
        body = tape.encode_block(block)
        head = tape.decode_block_head(body[: tape.BLOCK_HEADER_BYTES], self.size_bytes)
        self._write(body)
        self._heads.append(head)
        self.packets += block.packets
        if not self.first_ns:
            self.first_ns = block.first_ns

    def sync(self) -> None:
        """Let what was written survive a power cut.

        Raises:
            LocalError: the disk does not take it.
        """
        if self._unsynced:
            try:
                os.fsync(self._file.fileno())
            except OSError as error:
                raise LocalError(_sentence(self.path, self.size_bytes, error)) from error
            self._unsynced = False

    def close(self) -> None:
        """Write the index, then close.

        Raises:
            LocalError: the index cannot be written; every block stays readable without it.
        """
        try:
            self._write(tape.encode_end(self._heads, self.size_bytes))
            self.sync()
        finally:
            self._file.close()

    def _write(self, body: bytes) -> None:
        view = memoryview(body)
        try:
            while view:
                view = view[self._file.write(view) or 0 :]
        except OSError as error:
            self._cut()
            raise LocalError(_sentence(self.path, self.size_bytes, error)) from error
        self.size_bytes += len(body)
        self._unsynced = True

    def _cut(self) -> None:
        """Take back what was half written, so that the tape ends with a whole block."""
        try:
            self._file.truncate(self.size_bytes)
            self._file.seek(self.size_bytes)
        except OSError:
            return  # a torn block at the end: readers stop before it


def _sentence(path: Path, size_bytes: int, error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"disk full: tape {path} ends after {size_bytes} bytes, all of them readable; "
            "free space, then start recording again"
        )
    return f"tape {path} ends after {size_bytes} bytes: {error.strerror or error}"


def _sync_directory(directory: Path) -> None:
    """Let the file's name survive a power cut as well."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except OSError:
        return  # a file system without this is no reason not to record
    try:
        os.fsync(handle)
    except OSError:
        return
    finally:
        os.close(handle)
