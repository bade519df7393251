"""Everything an executor talks to, entered one by one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Final

from executor.bounds import breaker_of
from executor.broker.account import HeldAccount
from executor.broker.broker import Broker, KiteBroker
from executor.broker.pace import windows
from executor.broker.skew import Skew
from executor.gate import Gate
from executor.housekeeping import Seen
from executor.lookup.postbacks import Postbacks
from executor.market.instruments import Instruments
from executor.market.price_questions import Line, Questions
from executor.market.quotes import Quotes
from executor.reads.call import Reading
from executor.reads.queries import Queries
from executor.reads.turns import Turns
from executor.reads.turns import windows as read_windows
from executor.settings import BehaviourSettings, ExecutorSettings
from shared.accounts.book import AccountBook, Around, sources_of
from shared.clock import Clock
from shared.errors import StreamError
from shared.kite.data import KiteData
from shared.kite.orders import KiteOrders
from shared.kite.portfolio import KitePortfolio
from shared.kite.reads import KiteReads
from shared.kite.rest import KiteRest
from shared.kite.session import KiteSessions
from shared.kite.writes import KiteWrites
from shared.resilience.breaker import Breaker
from shared.runtime.resources import Resources
from shared.store.migrate import migrate
from shared.store.pool import Pool, open_pool
from shared.store.trading import get_trading
from shared.streams.answering import REPLY_BYTES_MAX, put_reply
from shared.streams.client import Connection, connect, ping
from shared.streams.hygiene import depth, trim_taken
from shared.streams.limiter import RateLimiter
from shared.streams.published import get_instruments, get_instruments_version, get_last_of
from shared.streams.reader import GroupReader, TailReader
from shared.streams.server_metrics import observe
from shared.streams.writer import StreamWriter
from shared.wire.topics import COMMANDS, CONTROL, POSTBACKS, QUERIES, UPDATES, dead

#: The group, and the one consumer in it: the seat lets one executor read for an account.
GROUP: Final = "executor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outside:
    """Everything an executor talks to."""

    pool: Pool
    account: HeldAccount
    broker: Broker
    limiter: RateLimiter
    skew: Skew
    commands: GroupReader
    updates: GroupReader
    postbacks: Callable[..., Postbacks]
    hints: TailReader
    writer: StreamWriter
    control: StreamWriter
    instruments: Instruments
    quotes: Quotes
    questions: Questions
    trim: Callable[[], Awaitable[int]]
    seen: Seen
    queries: Callable[..., Queries]


async def enter(settings: ExecutorSettings, resources: Resources, gate: Gate) -> Outside:
    """Connect, bring the tables up to date.

    Raises:
        StoreError: PostgreSQL is away.
        LocalError: PostgreSQL could lose commits, or its tables are of another release.
    """
    account, redis = settings.account, settings.redis
    pool = await resources.enter(open_pool(settings.postgres))
    await migrate(pool)
    name = f"executor-{account.id}"
    ticks = await resources.enter(connect(redis.ticks_url, name=name, settings=redis))
    orders = await resources.enter(connect(redis.orders_url, name=name, settings=redis))
    held = await _account(settings, pool, ticks, resources)
    rest = await held.enter_rest(settings.kite, resources)
    rest.listener = skew = Skew(
        clock=resources.clock, gate=gate, skew_s_max=settings.executor.clock_skew_s_max
    )
    resources.probe.register("postgres", pool.ping)
    resources.probe.register("redis_orders", partial(ping, orders))
    read = _reader(settings.executor)
    instruments, quotes = _prices(settings, resources, ticks)
    reads = await held.enter_rest(settings.kite, resources)
    turns = _turns(settings, resources, orders)
    return Outside(
        pool=pool,
        account=held,
        broker=_broker(rest),
        limiter=RateLimiter(orders, windows(settings.executor)),
        skew=skew,
        commands=read(orders, [COMMANDS.name(account.id)]),
        updates=read(orders, [UPDATES.name(account.id)]),
        postbacks=partial(
            Postbacks,
            reader=read(orders, [POSTBACKS.name(account.id)]),
            api_secret=held.api_secret,
        ),
        hints=await _hints(settings, ticks),
        writer=StreamWriter(orders, resources.clock),
        control=StreamWriter(ticks, resources.clock),
        trim=partial(trim_taken, orders, COMMANDS.name(account.id)),
        seen=_seen(orders, pool, account.id),
        queries=_queries(settings, resources, orders, (reads, turns)),
        instruments=instruments,
        quotes=quotes,
        questions=_questions(settings.executor, gate, resources.clock, (reads, turns), quotes),
    )


def _reader(behaviour: BehaviourSettings) -> Callable[[Connection, Sequence[str]], GroupReader]:
    return partial(
        GroupReader,
        group=GROUP,
        consumer=GROUP,
        count_max=behaviour.commands_read_max,
        block_ms=behaviour.read_block_ms,
    )


async def _account(
    settings: ExecutorSettings, pool: Pool, ticks: Connection, resources: Resources
) -> HeldAccount:
    """Return the account as every source tells it now; whoever logs in later is heard."""
    book = AccountBook(
        sources_of(settings.accounts, settings.account, pool, resources.clock),
        poll_s=settings.accounts.poll_s,
        around=Around(
            clock=resources.clock, log=resources.log, random=resources.random, ticks=ticks
        ),
    )
    await book.refresh()
    held = HeldAccount(book, book.account(settings.account.id), resources.clock)
    resources.probe.register("account", held.check)
    return held


async def _hints(settings: ExecutorSettings, ticks: Connection) -> TailReader:
    """Return who hears what is said from now on; the order book is looked at later than now."""
    hints = TailReader(ticks, {CONTROL.name(): "$"}, block_ms=settings.executor.read_block_ms)
    # With the Redis of ticks away it begins where it can.
    with suppress(StreamError):
        await hints.pin()
    return hints


def _prices(
    settings: ExecutorSettings, resources: Resources, ticks: Connection
) -> tuple[Instruments, Quotes]:
    instruments = Instruments(
        version=partial(get_instruments_version, ticks),
        read=partial(get_instruments, ticks),
        log=resources.log,
    )
    quotes = Quotes(
        instruments=instruments,
        read=partial(get_last_of, ticks),
        clock=resources.clock,
        age_s_max=settings.executor.last_price_age_s_max,
    )
    return instruments, quotes


def _seen(orders: Connection, pool: Pool, account: str) -> Seen:
    streams = {
        "commands": COMMANDS,
        "updates": UPDATES,
        "postbacks": POSTBACKS,
        "queries": QUERIES,
    }
    return Seen(
        dead={
            name: partial(depth, orders, dead(topic.name(account)))
            for name, topic in streams.items()
        },
        switches=partial(get_trading, pool),
        server=partial(observe, orders, "orders"),
    )


def _broker(rest: KiteRest) -> KiteBroker:
    orders, sessions, portfolio = KiteOrders(rest), KiteSessions(rest), KitePortfolio(rest)
    return KiteBroker(orders, sessions, portfolio, KiteWrites(rest), rest.access_token)


def _turns(settings: ExecutorSettings, resources: Resources, orders: Connection) -> Turns:
    other_max = settings.queries.other_per_second_max
    limiter = RateLimiter(orders, read_windows(other_max))
    return Turns(limiter, settings.account.id, resources.clock, other_max)


def _questions(
    behaviour: BehaviourSettings,
    gate: Gate,
    clock: Clock,
    ways: tuple[KiteRest, Turns],
    quotes: Quotes,
) -> Questions:
    """Return who asks for prices: on the connections and in the turns of reads, not of orders."""
    rest, turns = ways
    line = Line(
        ltp=KiteData(rest).ltp,
        turns=turns,
        has_session=lambda: bool(rest.access_token()),
        breaker=Breaker(breaker_of(behaviour)),
        gate=gate,
        clock=clock,
    )
    return Questions(line, quotes.keep, wait_s=behaviour.last_price_wait_s)


def _queries(
    settings: ExecutorSettings,
    resources: Resources,
    orders: Connection,
    ways: tuple[KiteRest, Turns],
) -> Callable[..., Queries]:
    """Return who reads for others; orders have HTTP connections of their own."""
    account, chosen = settings.account, settings.queries
    rest, turns = ways
    return partial(
        Queries,
        account=account.id,
        reader=GroupReader(
            orders,
            [QUERIES.name(account.id)],
            GROUP,
            GROUP,
            count_max=chosen.read_max,
            block_ms=settings.executor.read_block_ms,
        ),
        reading=Reading(KiteReads(rest), turns, resources.clock, chosen, REPLY_BYTES_MAX),
        put=partial(put_reply, orders),
        trim=partial(trim_taken, orders, QUERIES.name(account.id)),
        clock=resources.clock,
        settings=chosen,
    )
