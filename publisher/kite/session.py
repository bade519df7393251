"""What one client of Kite's dialect holds and is owed."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from publisher.kite import protocol as kite_protocol
from publisher.kite.protocol import Request, SetMode, Subscribe, Unsubscribe
from shared.errors import MessageError
from shared.kite.codec.shelf import Shelf, Wanted
from shared.wire.ticks import Mode


class KiteSession:
    """A client's subscriptions over a shelf; its texts wait in a queue of bounded bytes.

    Ticks are newest per instrument whenever the client reads; texts are never left out: when they
    outgrow the bound the client has to go.
    """

    def __init__(self, shelf: Shelf, *, instruments_max: int, text_bytes_max: int) -> None:
        self._instruments_max = instruments_max
        self._text_bytes_max = text_bytes_max
        self._modes: dict[int, Mode] = {}
        self._texts: deque[bytes] = deque()
        self._text_bytes = 0
        self._shelf = shelf
        self._wanted = Wanted(shelf)

    @property
    def instruments(self) -> int:
        """Return how many instruments are subscribed to."""
        return len(self._modes)

    @property
    def is_overrun(self) -> bool:
        """Tell whether more texts wait than may."""
        return self._text_bytes > self._text_bytes_max

    @property
    def is_owed(self) -> bool:
        """Tell whether anything waits to be sent."""
        return bool(self._texts) or self._wanted.owed > 0

    def answer(self, text: str | bytes) -> None:
        """Do what the client asks; what cannot be done is told to it."""
        try:
            request = kite_protocol.parse(text)
        except MessageError as error:
            self.tell(kite_protocol.error_text(str(error)))
            return
        self._do(request)

    def tell(self, text: bytes) -> None:
        """Queue a text frame."""
        self._texts.append(text)
        self._text_bytes += len(text)

    def note(self, rows: NDArray[np.int32]) -> bool:
        """Owe the packets of these rows of the shelf; return whether any is owed."""
        return self._wanted.note(rows)

    def move_to(self, shelf: Shelf) -> None:
        """Go on with another shelf; what is held there of the subscriptions is owed anew."""
        self._shelf = shelf
        self._wanted = Wanted(shelf)
        for mode in Mode:
            self._want([token for token, has in self._modes.items() if has is mode], mode)

    def take_text(self) -> bytes | None:
        """Return the oldest text that waits, None for none."""
        if not self._texts:
            return None
        text = self._texts.popleft()
        self._text_bytes -= len(text)
        return text

    def cut(self, out: NDArray[np.uint8]) -> tuple[memoryview, int]:
        """Write the next frame owed into `out`; return it and its packets, 0: nothing to say."""
        return self._wanted.cut(out)

    def _do(self, request: Request) -> None:
        match request:
            case Unsubscribe(tokens):
                self._leave(tokens)
            case Subscribe(tokens):
                fresh = self._admit(tokens)
                self._take(fresh, Mode.QUOTE)
                # Asked for again, an instrument keeps its mode; its packet is sent once more.
                self._wanted.note(self._rows([token for token in tokens if token in self._modes]))
            case SetMode(mode, tokens):
                fresh = self._admit(tokens)
                held = [token for token in tokens if token in self._modes]
                self._take([*held, *fresh], mode)

    def _admit(self, tokens: Sequence[int]) -> list[int]:
        """Return those of the tokens that are new and fit; tell of the excess."""
        fresh = [token for token in dict.fromkeys(tokens) if token not in self._modes]
        room = self._instruments_max - len(self._modes)
        if len(fresh) > room:
            limit = f"Maximum instrument subscription limit ({self._instruments_max}) exceeded"
            self.tell(kite_protocol.error_text(limit))
        return fresh[: max(0, room)]

    def _take(self, tokens: Sequence[int], mode: Mode) -> None:
        self._modes.update(dict.fromkeys(tokens, mode))
        self._want(tokens, mode)

    def _want(self, tokens: Sequence[int], mode: Mode) -> None:
        self._wanted.want(self._rows(tokens), mode)

    def _leave(self, tokens: Sequence[int]) -> None:
        self._wanted.leave(self._rows(tokens))
        for token in tokens:
            self._modes.pop(token, None)

    def _rows(self, tokens: Sequence[int]) -> NDArray[np.int32]:
        return self._shelf.rows_of(np.unique(np.array(tokens, dtype=np.uint32)))
