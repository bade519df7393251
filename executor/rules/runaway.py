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
    #: Cancels of a strategy in the window that hold it, where it cancels nearly all it places.
    cancels_max: int = 0
    alike_s: float = 0.0


#: Kinds of orders that are counted at a time; the ones not seen for longest are forgotten.
KINDS_MAX = 10_000
#: Cancels per hundred placements that are nearly all.
CANCELLED_PERCENT = 90


class Runaway:
    """Counts by strategy; it forgets with the process, the switch it asks for is kept."""

    def __init__(self, limits: RunawayLimits) -> None:
        self._limits = limits
        self._sent_us: dict[tuple[str, str], deque[int]] = {}
        self._rejected: dict[str, int] = {}
        self._alike_us: dict[tuple[str, str], int] = {}
        self._placed_us: dict[str, deque[int]] = {}
        self._cancelled_us: dict[str, deque[int]] = {}

    def note_cancel(self, strategy_id: str, now_us: int) -> None:
        """Count a cancel on its way out."""
        self._note(self._cancelled_us, strategy_id, now_us)

    def _note(self, kept: dict[str, deque[int]], strategy_id: str, now_us: int) -> None:
        times = kept.pop(strategy_id, None) or deque()
        times.append(now_us)
        kept[strategy_id] = times
        self._forget(times, now_us)
        if len(kept) > KINDS_MAX:
            kept.pop(next(iter(kept)))

    def _forget(self, times: deque[int], now_us: int) -> int:
        """Drop what is older than the window; return how many are left."""
        begin_us = now_us - round(self._limits.window_s * 1e6)
        while times and times[0] <= begin_us:
            times.popleft()
        return len(times)

    def note_sent(self, strategy_id: str, exposure: str, content: str, now_us: int) -> None:
        """Count a placement on its way out; `content` is all that makes it an order of its own."""
        times = self._sent_us.pop((strategy_id, exposure), None) or deque()
        times.append(now_us)
        self._sent_us[strategy_id, exposure] = times
        self._note(self._placed_us, strategy_id, now_us)
        self._alike_us.pop((strategy_id, content), None)
        self._alike_us[strategy_id, content] = now_us
        for kept in (self._sent_us, self._alike_us):
            if len(kept) > KINDS_MAX:
                kept.pop(next(iter(kept)))

    def take_back(self, strategy_id: str, exposure: str, content: str, now_us: int) -> None:
        """Undo `note_sent`: nothing was written of it."""
        for times in (self._sent_us.get((strategy_id, exposure)), self._placed_us.get(strategy_id)):
            if times is not None and now_us in times:
                times.remove(now_us)
        if self._alike_us.get((strategy_id, content)) == now_us:
            del self._alike_us[strategy_id, content]

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
        is_too_many = (
            times is not None
            and self._limits.orders_max
            and self._forget(times, now_us) >= self._limits.orders_max
        )
        if times is None or not is_too_many:
            return self._judge_cancels(strategy_id, now_us)
        limit = f"{self._limits.orders_max} in {self._limits.window_s:g} s"
        return Reason(
            code="runaway_orders",
            sentence=f"{exposure}: {len(times)} placements of one strategy, the limit is {limit}",
            measured=str(len(times)),
            limit=limit,
        )

    def _judge_cancels(self, strategy_id: str, now_us: int) -> Reason | None:
        """Return why a strategy that cancels nearly all it places is to be held."""
        most = self._limits.cancels_max
        cancelled = self._forget(self._cancelled_us.get(strategy_id, deque()), now_us)
        placed = self._forget(self._placed_us.get(strategy_id, deque()), now_us)
        if not most or cancelled < most or cancelled * 100 < placed * CANCELLED_PERCENT:
            return None
        window = f"{self._limits.window_s:g} s"
        return Reason(
            code="runaway_cancels",
            sentence=f"the strategy cancelled {cancelled} orders in {window} and placed {placed}, "
            f"the limit is {most} where it cancels nearly all",
            measured=str(cancelled),
            limit=f"{most} in {window}",
        )

    def find_alike(self, strategy_id: str, content: str, now_us: int) -> Reason | None:
        """Return why a placement that says the same as one a moment ago is not sent."""
        sent_us = self._alike_us.get((strategy_id, content))
        if not self._limits.alike_s or sent_us is None:
            return None
        # What is on its way beside this one may have been noted at a later moment than this one's.
        ago_s = max(0, now_us - sent_us) / 1e6
        if ago_s >= self._limits.alike_s:
            return None
        return Reason(
            code="duplicate_in_flight",
            sentence=f"the same order was sent {ago_s:.3f} s ago under another command_id",
            measured=f"{ago_s:.3f}",
            limit=f"at least {self._limits.alike_s:g} s",
        )
