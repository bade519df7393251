"""What is held where, told to whoever asks."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from ingest.pool import AccountPool
from ingest.reconciler import Reconciler
from shared.clock import Clock
from shared.errors import StreamError
from shared.kite.subscriptions import MODE_NAMES
from shared.runtime.supervise import pause
from shared.streams.client import Connection
from shared.streams.subscriptions import put_subscriptions
from shared.wire.subscriptions import NAMED_MAX, AccountUse, SocketUse, Subscriptions

TELL_EVERY_S: Final = 1.0
#: Without news it is told again so often: a Redis without a disk forgets.
REPEAT_EVERY_S: Final = 15.0
_NS_PER_US: Final = 1_000
_TEXT_MAX: Final = 200


def subscriptions(
    pool: AccountPool, reconciler: Reconciler, unlisted: Sequence[str], owner: str
) -> Subscriptions:
    """Return the layout at this moment, without the time."""
    states, asked = pool.states(), pool.holding().asked
    planned, modes = reconciler.plan.seating, reconciler.modes
    sockets = []
    for seat in sorted(states):
        counts = Counter(modes[token].mode for token in asked[seat] if token in modes)
        sockets.append(
            SocketUse(
                account=seat.account,
                socket=seat.socket,
                state=states[seat],
                instruments=len(asked[seat]),
                planned=len(planned.get(seat, ())),
                modes={MODE_NAMES[mode]: count for mode, count in sorted(counts.items())},
            )
        )
    left_out = reconciler.plan.left_out
    return Subscriptions(
        by=owner,
        at_us=0,
        accounts=[
            AccountUse(account=name, trouble=(each.health.failed or each.lacks)[:_TEXT_MAX])
            for name, each in pool.accounts.items()
        ],
        sockets=sockets,
        wanted=len(modes),
        capacity=reconciler.capacity,
        headroom_per_socket=reconciler.headroom,
        left_out_count=len(left_out),
        left_out=list(left_out[:NAMED_MAX]),
        unlisted_count=len(unlisted),
        unlisted=list(unlisted[:NAMED_MAX]),
        ranking=reconciler.ranking,
        priorities=reconciler.priorities,
    )


class Teller:
    """Publishes the layout when it changed, under the name of the first account."""

    def __init__(self, redis: Connection, look: Callable[[], Subscriptions], clock: Clock) -> None:
        self._redis = redis
        self._look = look
        self._clock = clock

    async def run(self, stopping: asyncio.Event) -> None:
        """Tell until `stopping`; what cannot be told now is told a little later."""
        told: Subscriptions | None = None
        due_s = 0.0
        while not await pause(stopping, TELL_EVERY_S):
            layout = self._look()
            now_s = self._clock.monotonic_s()
            if not layout.accounts or (layout == told and now_s < due_s):
                continue
            try:
                await self._put(layout)
            except StreamError:
                told = None  # the outlets tell of a Redis that is away
            else:
                told, due_s = layout, now_s + REPEAT_EVERY_S

    async def _put(self, layout: Subscriptions) -> None:
        stamped = msgspec.structs.replace(layout, at_us=self._clock.now_ns() // _NS_PER_US)
        await put_subscriptions(self._redis, layout.accounts[0].account, stamped)
