"""A stream that never fails whoever writes a line."""

from __future__ import annotations

import errno
import io
import os

from shared.runtime.line_sink import LineSink


class FullDisk(io.StringIO):
    def __init__(self) -> None:
        super().__init__()
        self.is_full = True

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space")
        return super().write(text)


def test_sink_passes_lines_on() -> None:
    stream = io.StringIO()
    sink = LineSink(stream)
    assert sink.write("a\n") == 2
    sink.flush()
    assert stream.getvalue() == "a\n"
    assert not sink.isatty()


def test_sink_of_a_full_disk_loses_the_line_but_not_the_next() -> None:
    stream = FullDisk()
    sink = LineSink(stream)
    sink.write("lost\n")
    stream.is_full = False
    sink.write("kept\n")
    assert stream.getvalue() == "kept\n"


def test_sink_nobody_reads_from_writes_nowhere_without_failing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1) as stream:  # noqa: PTH123  # a pipe's end, not a path
        sink = LineSink(stream)
        sink.write("lost\n")
        sink.flush()
        sink.write("lost too\n")
        sink.flush()
