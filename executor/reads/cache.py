"""Answers that are still fresh enough for the next asker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: The ones kept longest are forgotten first.
ANSWERS_MAX: Final = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """Kite's data as JSON, with the moment it was read."""

    data: bytes
    as_of_us: int


@dataclass(frozen=True, slots=True)
class _Kept:
    answer: Answer
    until_s: float


class Answers:
    """Answers by question; bounded in number and in bytes."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._kept: dict[bytes, _Kept] = {}
        self.size_bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, question: bytes, now_s: float) -> Answer | None:
        """Return the answer to a question, if there is one and it is fresh."""
        kept = self._kept.get(question)
        if kept is None:
            return None
        if kept.until_s <= now_s:
            self._forget(question)
            return None
        return kept.answer

    def keep(self, question: bytes, answer: Answer, until_s: float) -> None:
        """Keep an answer until then; older ones make room, one that is too large is not kept."""
        self._forget(question)
        cost = len(question) + len(answer.data)
        if cost > self._bytes_max:
            return
        self._kept[question] = _Kept(answer, until_s)
        self.size_bytes += cost
        while self.size_bytes > self._bytes_max or len(self._kept) > ANSWERS_MAX:
            self._forget(next(iter(self._kept)))

    def _forget(self, question: bytes) -> None:
        kept = self._kept.pop(question, None)
        if kept is not None:
            self.size_bytes -= len(question) + len(kept.answer.data)
