"""Notices a strategy that runs away: too many orders of a kind, too many rejections in a row."""

from __future__ import annotations

from collections import deque

import msgspec

from shared.wire.orders import Reason


class RunawayLimits(msgspec.Struct, frozen=True, kw_only=True):
    """How much is too much; 0 is no limit."""

    orders_max: int = 0
    window_s: float = 60.0
    rejections_max: int = 0
    alike_s: float = 0.0


#: Kinds of orders that are counted at a time; the ones not seen for longest are forgotten.
KINDS_MAX = 10_000


class Runaway:
    """Counts by strategy; it forgets with the process, the switch it asks for is kept."""

    def __init__(self, limits: RunawayLimits) -> None:
        self._limits = limits
        self._sent_us: dict[tuple[str, str], deque[int]] = {}
        self._rejected: dict[str, int] = {}
        self._alike_us: dict[tuple[str, str], int] = {}

    def note_sent(self, strategy_id: str, exposure: str, content: str, now_us: int) -> None:
        """Count a placement on its way out; `content` is all that makes it an order of its own."""
        times = self._sent_us.pop((strategy_id, exposure), None) or deque()
        times.append(now_us)
        self._sent_us[strategy_id, exposure] = times
        self._alike_us.pop((strategy_id, content), None)
        self._alike_us[strategy_id, content] = now_us
        for kept in (self._sent_us, self._alike_us):
            if len(kept) > KINDS_MAX:
                kept.pop(next(iter(kept)))

    def note_answer(self, strategy_id: str, *, is_rejected: bool) -> Reason | None:
        """Count an answer; return why the strategy is to be held, at the rejection too many."""
        count = self._rejected.pop(strategy_id, 0) + 1 if is_rejected else 0
        most = self._limits.rejections_max
        if not count:
            self._rejected.pop(strategy_id, None)
            return None
        if most and count >= most:
            return Reason(
                code="runaway_rejections",
                sentence=f"{count} placements of the strategy were rejected in a row",
                measured=str(count),
                limit=f"below {most}",
            )
        self._rejected[strategy_id] = count
        return None

    def judge(self, strategy_id: str, exposure: str, now_us: int) -> Reason | None:
        """Return why one more order of this side and instrument is too many for the strategy."""
        times = self._sent_us.get((strategy_id, exposure))
        if times is None or not self._limits.orders_max:
            return None
        begin_us = now_us - round(self._limits.window_s * 1e6)
        while times and times[0] <= begin_us:
            times.popleft()
        if len(times) < self._limits.orders_max:
            return None
        limit = f"{self._limits.orders_max} in {self._limits.window_s:g} s"
        return Reason(
            code="runaway_orders",
            sentence=f"{exposure}: {len(times)} placements of one strategy, the limit is {limit}",
            measured=str(len(times)),
            limit=limit,
        )

    def find_alike(self, strategy_id: str, content: str, now_us: int) -> Reason | None:
        """Return why a placement that says the same as one a moment ago is not sent."""
        sent_us = self._alike_us.get((strategy_id, content))
        if sent_us is None or now_us - sent_us >= self._limits.alike_s * 1e6:
            return None
        ago_s = (now_us - sent_us) / 1e6
        return Reason(
            code="duplicate_in_flight",
            sentence=f"the same order was sent {ago_s:.3f} s ago under another command_id",
            measured=f"{ago_s:.3f}",
            limit=f"at least {self._limits.alike_s:g} s",
        )
