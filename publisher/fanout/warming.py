"""Loops compiled, or loaded from the cache, before a publisher lets anybody in."""

from __future__ import annotations

import numpy as np

from publisher.fanout.dialects import DIALECTS
from publisher.fanout.flow import Source
from publisher.fanout.hub import Hub, HubLimits
from publisher.protocol.modes import MODES
from shared.wire.ticks import TICK_DTYPE

_LIMITS = HubLimits(
    subscribers_max=2, instruments_max=2, queue_bytes_max=2**16, message_bytes_max=2**16
)
_TOKENS = np.array([1, 2], np.uint32)


def warm_up() -> None:
    """Tell two ticks twice to a subscriber of each format, each mode, either policy."""
    for dialect in range(len(DIALECTS)):
        for mode in range(len(MODES)):
            _tell(dialect, mode)


def _tell(dialect: int, mode: int) -> None:
    hub = Hub(_LIMITS, DIALECTS)
    subscribers = [hub.open(dialect), hub.open(dialect)]
    strict, newest = [each for each in subscribers if each is not None]
    for subscriber in (strict, newest):
        hub.room(subscriber, _TOKENS, len(_TOKENS))
        hub.want(subscriber, _TOKENS, mode, has_snapshot=False)
        hub.take(subscriber, 0.0)
    hub.policies.flow(strict, is_strict=True)
    for time_s in (1, 2):
        records = np.zeros(len(_TOKENS), TICK_DTYPE)
        records["instrument_token"], records["received_at_ns"] = _TOKENS, time_s
        hub.apply(np.frombuffer(records.tobytes(), TICK_DTYPE), Source("0", f"{time_s}-0"))
        hub.take_together([strict, newest], float(time_s))
