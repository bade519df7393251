"""One small order through the command stream, to see that orders flow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from decimal import Decimal

import numpy as np
from msgspec import Struct
from redis.asyncio import Redis

from deploy.local.feed import BLOCK_MS, ENTRIES_MAX, LOOK_AGAIN_S
from deploy.local.figures import Records
from shared.clock import Clock
from shared.runtime.supervise import pause
from shared.streams import groups, published
from shared.streams.client import call
from shared.streams.reader import TailReader
from shared.wire import codec, topics
from shared.wire.instruments import Kind
from shared.wire.order_fields import Exchange
from shared.wire.orders import OrderEvent, Place, State

STRATEGY = "demo"
#: Without an event the command is sent again after so many reads of `BLOCK_MS`.
READS_PER_ATTEMPT = 8
#: Reads until the broker has to have spoken: half a minute where nothing comes.
READS_MAX = 120
#: Reads for a fill once the broker has the order: two seconds where nothing comes.
READS_AFTER_ACCEPTANCE_MAX = 8
VALID_S = 60.0
#: The limit lies this far above the last price, so that it fills while the market moves.
LIMIT_ABOVE = Decimal("1.002")

#: A call whose price moves half as much as its underlying is at the money.
AT_THE_MONEY_DELTA = 0.5

#: The broker has it.
WENT_THROUGH = frozenset({State.ACCEPTED, State.PARTIALLY_ACCEPTED, State.OPEN, State.COMPLETE})
#: Nothing more will come of it by itself.
FAILED = frozenset(
    {
        State.REFUSED,
        State.REJECTED,
        State.CANCELLED,
        State.EXPIRED,
        State.CONFLICT,
        State.MANUAL,
    }
)


class Outcome(Struct, frozen=True):
    """How the order ended, as far as we watched."""

    went_through: bool
    sentence: str


NOT_SENT = Outcome(
    went_through=False, sentence="no order was sent: nothing that can be bought had a price"
)


class Desk(Struct, frozen=True):
    """Where an order goes, how its answer comes back."""

    ticks: Redis
    orders: Redis
    account: str
    clock: Clock
    new_id: Callable[[], str]


async def place_one(desk: Desk, stopping: asyncio.Event) -> Outcome:
    """Place one small limit order, wait for the broker's word.

    Raises:
        StreamError: Redis refused or vanished.
    """
    order = await _choose(desk, stopping)
    if order is None:
        return NOT_SENT
    return await send(desk, order, stopping)


async def send(desk: Desk, order: Place, stopping: asyncio.Event) -> Outcome:
    """Send a command until it is received, follow it until the broker has spoken.

    Raises:
        StreamError: Redis refused or vanished.
    """
    stream = topics.EVENTS.name(desk.account)
    # The place to read from is settled before the first event can be there.
    newest = await groups.newest_id(desk.orders, stream)
    reader = TailReader(desk.orders, {stream: newest}, count_max=ENTRIES_MAX, block_ms=BLOCK_MS)
    last: OrderEvent | None = None
    reads_left = READS_MAX
    while reads_left > 0 and not stopping.is_set():
        # The XADD is no acceptance: without an event the same command is sent again, harmlessly.
        if last is None and reads_left % READS_PER_ATTEMPT == 0:
            await _add(desk, order)
        for event in await _events_of(order, reader):
            last = event
            if event.state in FAILED or event.state is State.COMPLETE:
                return _outcome(order, event)
            if event.state in WENT_THROUGH:
                reads_left = min(reads_left, READS_AFTER_ACCEPTANCE_MAX)
        reads_left -= 1
    if last is not None and last.state in WENT_THROUGH:
        return _outcome(order, last)
    return Outcome(
        went_through=False,
        sentence=f"order {order.command_id} had no outcome when we stopped waiting",
    )


async def _add(desk: Desk, order: Place) -> None:
    words = [word for pair in codec.encode(order).items() for word in pair]
    stream = topics.COMMANDS.name(desk.account)
    await call(desk.orders, f"XADD to {stream}", "XADD", stream, "*", *words)


async def _events_of(order: Place, reader: TailReader) -> list[OrderEvent]:
    events = [codec.decode(entry.fields, OrderEvent) for entry in await reader.read()]
    return [event for event in events if event.command_id == order.command_id]


def _outcome(order: Place, event: OrderEvent) -> Outcome:
    what = f"{order.transaction_type} {order.quantity} {order.tradingsymbol}"
    if event.state in WENT_THROUGH:
        return Outcome(
            went_through=True, sentence=f"{what} is {event.state}, order {event.order_id}"
        )
    why = event.reason.sentence if event.reason else event.broker_message or "no reason given"
    return Outcome(went_through=False, sentence=f"{what} ended {event.state}: {why}")


async def _choose(desk: Desk, stopping: asyncio.Event) -> Place | None:
    while not stopping.is_set():
        _, instruments = await published.get_instruments(desk.ticks)
        for shard in np.unique(instruments["shard"]).tolist():
            chosen = choose(instruments, await published.get_last(desk.ticks, shard))
            if chosen is not None:
                return _order(desk, *chosen)
        await pause(stopping, LOOK_AGAIN_S)
    return None


def choose(instruments: Records, last: Records) -> tuple[np.void, Decimal] | None:
    """Return what to buy with its last price: a share of NSE, else a call near the money.

    None where neither has a price yet. `instruments` is sorted by token.
    """
    if len(instruments) == 0 or len(last) == 0:
        return None
    tokens = instruments["instrument_token"]
    at = np.minimum(np.searchsorted(tokens, last["instrument_token"]), len(tokens) - 1)
    rows = instruments[at]
    priced = (rows["instrument_token"] == last["instrument_token"]) & (last["last_price"] > 0)
    shares = priced & (rows["kind"] == Kind.EQUITY) & (rows["exchange"] == b"NSE")
    calls = priced & (rows["kind"] == Kind.CALL) & np.isfinite(last["delta"])
    if shares.any():
        best = int(np.argmin(np.where(shares, last["last_price"], np.inf)))
    elif calls.any():
        best = int(np.argmin(np.where(calls, np.abs(last["delta"] - AT_THE_MONEY_DELTA), np.inf)))
    else:
        return None
    return rows[best], Decimal(str(float(last["last_price"][best])))


def _order(desk: Desk, instrument: np.void, last_price: Decimal) -> Place:
    tick = Decimal(str(float(instrument["tick_size"]) or 0.05))
    exchange: Exchange = instrument["exchange"].decode()
    return Place(
        command_id=desk.new_id(),
        strategy_id=STRATEGY,
        valid_until_us=round(desk.clock.now_ns() / 1000 + VALID_S * 1e6),
        exchange=exchange,
        tradingsymbol=instrument["tradingsymbol"].decode(),
        transaction_type="BUY",
        quantity=max(1, int(instrument["lot_size"])),
        product="MIS",
        order_type="LIMIT",
        price=(last_price * LIMIT_ABOVE // tick) * tick,
    )
