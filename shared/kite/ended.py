"""Why a WebSocket to Kite is over."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closed:
    """A close frame was exchanged; `ours` says who began it."""

    code: int
    reason: str = ""
    ours: bool = False


@dataclass(frozen=True, slots=True)
class Lost:
    """The connection broke, or the other side broke the protocol."""

    cause: str


@dataclass(frozen=True, slots=True)
class Silent:
    """Nothing arrived, not even a pong, for `silence_s` seconds."""

    silence_s: float


Ended = Closed | Lost | Silent
