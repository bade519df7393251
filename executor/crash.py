"""The places where a crash is worth trying."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum


class CrashPoint(StrEnum):
    """Between which two steps of a command's way the process might die."""

    BEFORE_CLAIM = "before_claim"
    BEFORE_ACKNOWLEDGE = "before_acknowledge"
    AFTER_ACKNOWLEDGE = "after_acknowledge"
    BEFORE_SENDING = "before_sending"
    BEFORE_WIRE = "before_wire"
    AFTER_WIRE = "after_wire"
    AFTER_OUTCOME = "after_outcome"
    BEFORE_PUBLISH = "before_publish"
    BEFORE_MARK = "before_mark"


CrashHook = Callable[[CrashPoint], None]


def never(_point: CrashPoint) -> None:
    """Go on: the hook of every real executor."""
