"""What is wanted: by ingest's own settings, by whoever wrote it into PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from ingest.modes import Want
from ingest.registry import Market
from shared.clock import Clock
from shared.errors import MessageError, StoreError, StreamError
from shared.runtime.logs import get_log
from shared.runtime.supervise import pause
from shared.store.late_pool import LatePool
from shared.store.wants import WantRow, WantTable
from shared.streams.client import Connection
from shared.streams.reader import TailReader
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.ticks import Mode
from shared.wire.topics import CONTROL

#: The source of everything that settings ask for.
SETTINGS: Final = "settings"
LISTEN_BLOCK_MS: Final = 500
RETRY_S: Final = 1.0
_NS_PER_US: Final = 1_000

log = get_log()


class WantsBook:
    """The wants of PostgreSQL: read when control.v1 says so, and at every poll besides.

    What fails leaves what is known.
    """

    def __init__(
        self,
        pool: LatePool | None,
        redis: Connection,
        changed: asyncio.Event,
        *,
        poll_s: float,
        clock: Clock,
    ) -> None:
        """`changed` is set whenever something else is wanted than before."""
        self._pool = pool
        self._redis = redis
        self._poll_s = poll_s
        self._clock = clock
        self._changed = changed
        self._rows: tuple[WantRow, ...] = ()
        self.trouble = ""

    def rows(self) -> list[WantRow]:
        """Return the wants that are not over, the most important first."""
        now_us = self._clock.now_ns() // _NS_PER_US
        return [row for row in self._rows if row.expires_us is None or row.expires_us > now_us]

    async def run(self, stopping: asyncio.Event) -> None:
        """Keep the book until `stopping`; without PostgreSQL there is nothing in it."""
        if self._pool is None:
            await stopping.wait()
            return
        reader = TailReader(self._redis, {CONTROL.name(): "$"}, block_ms=LISTEN_BLOCK_MS)
        while not stopping.is_set():
            # What is said from here on is heard: it may come after the table was read.
            with suppress(StreamError):
                await reader.pin()
            await self._read(self._pool)
            due_s = self._clock.monotonic_s() + self._poll_s
            while not stopping.is_set() and self._clock.monotonic_s() < due_s:
                if await self._heard(reader, stopping):
                    break

    async def _read(self, pool: LatePool) -> None:
        try:
            table = WantTable(await pool.get())
            rows = tuple(await table.all(now_us=self._clock.now_ns() // _NS_PER_US))
        except StoreError as error:
            if str(error) != self.trouble:
                log.warning("wants.unread", reason=str(error))
            self.trouble = str(error)
            return
        self.trouble = ""
        if rows != self._rows:
            self._rows = rows
            self._changed.set()

    async def _heard(self, reader: TailReader, stopping: asyncio.Event) -> bool:
        try:
            entries = await reader.read()
        except StreamError:
            await pause(stopping, RETRY_S)
            return False
        return any(_tells_of_wants(entry.fields) for entry in entries)


def of_settings(tokens: Sequence[int], mode: Mode, priority: int) -> list[Want]:
    """Return the wants of settings, in the order of their importance."""
    return [Want(token, mode, priority, SETTINGS) for token in tokens]


def of_rows(rows: Iterable[WantRow], names: Names) -> tuple[list[Want], list[str]]:
    """Return wants with the symbols that are not listed."""
    found, missing = [], []
    for row in rows:
        token = names.token(row.symbol)
        if token:
            found.append(Want(token, Mode[row.mode.upper()], row.priority, row.source))
        else:
            missing.append(row.symbol)
    return found, sorted(set(missing))


class Names:
    """Tokens by name, made once for a dump, not at all where nobody asks."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._tokens: dict[tuple[bytes, bytes], int] | None = None

    def token(self, symbol: str) -> int:
        """Return the token of `EXCHANGE:TRADINGSYMBOL`, 0 where it is not listed."""
        if self._tokens is None:
            rows = self._market.instruments
            names = zip(rows["exchange"].tolist(), rows["tradingsymbol"].tolist(), strict=True)
            self._tokens = dict(zip(names, rows["instrument_token"].tolist(), strict=True))
        exchange, _, name = symbol.partition(":")
        return self._tokens.get((exchange.encode(), name.encode()), 0)


def _tells_of_wants(fields: dict[bytes, bytes]) -> bool:
    try:
        message: Control = codec.decode(fields, Control)
    except MessageError:
        return False
    return message.kind == "wants_changed"
