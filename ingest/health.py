"""When an account counts as failed, and when as well again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

#: One refusal with 429 is a half-open socket that Kite still counts; so many are a ban.
THROTTLED_MAX: Final = 3


@dataclass(frozen=True, slots=True)
class Symptoms:
    """What the sockets of an account show: their states, refusals with 429 in a row."""

    states: Sequence[str]
    throttled: int = 0


@dataclass(slots=True)
class Health:
    """Whether an account may be given instruments; `failed` says why not, "" if it may."""

    failed: str = ""
    _well_since_s: float | None = None

    def judge(self, symptoms: Symptoms, *, now_s: float, well_after_s: float) -> None:
        """Take note; an account that failed is well after a socket was open for `well_after_s`."""
        trouble = _trouble(symptoms)
        if trouble or "connected" not in symptoms.states:
            self._well_since_s = None
            self.failed = trouble or self.failed
            return
        if self._well_since_s is None:
            self._well_since_s = now_s
        if now_s - self._well_since_s >= well_after_s:
            self.failed = ""


def _trouble(symptoms: Symptoms) -> str:
    if "token_dead" in symptoms.states:
        return "its token is dead"
    if symptoms.throttled >= THROTTLED_MAX:
        return f"Kite refused {symptoms.throttled} handshakes in a row with 429"
    return ""
