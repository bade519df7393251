"""Wants as the operator reaches them: the table, the word to say, the instruments there are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import msgspec

from shared.clock import Clock
from shared.errors import MessageError, SettingsError, StreamError
from shared.ops.outcome import NotFound
from shared.ops.reach import reach
from shared.ops.settings import OpsSettings
from shared.store.migrate import migrate
from shared.store.pool import open_pool
from shared.store.wants import WantTable
from shared.streams import published
from shared.streams.writer import Append, StreamWriter
from shared.wire import codec
from shared.wire.control import Control
from shared.wire.topics import CONTROL

BY: Final = "ops"
#: A command does one thing after the other.
_CONNECTIONS: Final = {"connections_min": 1, "connections_max": 2}
_NS_PER_US: Final = 1_000
_NAMED_MAX: Final = 8


@dataclass(frozen=True, slots=True)
class SubsDesk:
    """What the commands of wants work with."""

    settings: OpsSettings
    clock: Clock
    table: WantTable

    def now_us(self) -> int:
        """Return Unix time in microseconds."""
        return self.clock.now_ns() // _NS_PER_US

    async def check(self, symbols: Sequence[str]) -> str:
        """Check that these are listed; return why it could not be checked, or nothing.

        Raises:
            NotFound: some are not.
        """
        try:
            async with reach(self.settings, "ticks") as redis:
                version, rows = await published.get_instruments(redis)
        except (StreamError, MessageError, SettingsError) as error:
            return f"not checked against the instruments: {error}"
        if not version:
            return "not checked: no instruments are published yet"
        names = zip(rows["exchange"].tolist(), rows["tradingsymbol"].tolist(), strict=True)
        listed = {f"{exchange.decode()}:{name.decode()}" for exchange, name in names}
        unknown = [symbol for symbol in symbols if symbol not in listed]
        if unknown:
            more = f" and {len(unknown) - _NAMED_MAX} more" if len(unknown) > _NAMED_MAX else ""
            raise NotFound(f"not listed: {', '.join(unknown[:_NAMED_MAX])}{more}")
        return ""

    async def announce(self, source: str) -> str:
        """Tell ingest to look again; return why it could not be told, or nothing."""
        changed = Control(kind="wants_changed", subject=source, by=BY, at_us=self.now_us())
        try:
            async with reach(self.settings, "ticks") as redis:
                writer = StreamWriter(redis, self.clock)
                await writer.append([Append(CONTROL, "", codec.encode(changed))])
        except (StreamError, SettingsError) as error:
            return f"kept, but not announced, ingest notices at its next poll: {error}"
        return ""


@asynccontextmanager
async def subs_desk(settings: OpsSettings, clock: Clock) -> AsyncIterator[SubsDesk]:
    """Enter the desk, the table made where it is missing.

    Raises:
        SettingsError: no PostgreSQL is named.
        StoreError: PostgreSQL is away.
    """
    if not settings.postgres.url:
        raise SettingsError("no PostgreSQL: set TICKFLOW_POSTGRES__URL; wants are kept in it")
    async with open_pool(msgspec.structs.replace(settings.postgres, **_CONNECTIONS)) as pool:
        await migrate(pool)
        yield SubsDesk(settings, clock, WantTable(pool))
