"""A stream that never fails whoever writes a line."""

from __future__ import annotations

import contextlib
import os
from typing import TextIO


class LineSink:
    """Passes lines on to a stream; what cannot be written is lost, the writer is not.

    A supervisor that is killed takes the reading end of our standard error with it: a worker
    that crashed on its next log line would not drain.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Write what can be written; return the length of the text."""
        try:
            self._stream.write(text)
        except BrokenPipeError:
            self._give_up()
        except OSError:  # a full disk or a full pipe: the next line may fit again
            return len(text)
        return len(text)

    def flush(self) -> None:
        """Flush what can be flushed."""
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._give_up()
        except OSError:  # as above
            return

    def isatty(self) -> bool:
        """Tell whether a person reads it."""
        return self._stream.isatty()

    def _give_up(self) -> None:
        """Point the broken stream nowhere, so that what it still holds does not fail the exit."""
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)
