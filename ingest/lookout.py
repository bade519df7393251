"""Frames on their way into the intake, looked at where somebody wants to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ingest.keeper import Intake
from shared.kite.codec.watch import PriceWatch


class Lookout:
    """Notes the prices of underlyings, and who ticks after a gap.

    A frame is looked into only while something that is watched has not been seen: of prices that
    is once between two reads, so the first few frames of a second and none of the others.
    """

    def __init__(self) -> None:
        self._spots = PriceWatch(())
        self._spot_tokens: tuple[int, ...] = ()
        #: Who is awaited after a gap; None while nobody is.
        self.awaited: PriceWatch | None = None

    def over(self, intake: Intake) -> Overlooked:
        """Return an intake whose frames are looked at before they go on."""
        return Overlooked(self, intake)

    def look(self, frame: bytes) -> None:
        """Look into a frame, if there is anything to look for."""
        if self._spots.unseen:
            self._spots.look(frame)
        if self.awaited is not None and self.awaited.unseen:
            self.awaited.look(frame)

    def watch(self, tokens: Sequence[int]) -> None:
        """Note the prices of these from now on."""
        wanted = tuple(tokens)
        if wanted != self._spot_tokens:
            self._spot_tokens, self._spots = wanted, PriceWatch(wanted)

    def read(self) -> Mapping[int, float]:
        """Return the prices seen since the last read, in rupees by token."""
        seen = self._spots.seen()
        self._spots.clear()
        return seen


class Overlooked:
    """An intake that a look-out sees the frames of first."""

    def __init__(self, lookout: Lookout, intake: Intake) -> None:
        self._look = lookout.look
        self._frame = intake.frame
        self.text = intake.text

    def frame(self, socket: int, frame: bytes, received_at_ns: int) -> bool:
        """Pass a frame on, as the intake's own method."""
        self._look(frame)
        return self._frame(socket, frame, received_at_ns)
