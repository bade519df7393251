"""A window by delta, closed into a circle: ticks in, Greeks out, fewer strikes asked for."""

from __future__ import annotations

import asyncio

import msgspec
import numpy as np
import pytest

from shared.streams import published
from shared.streams.client import connect
from shared.streams.published import get_last_of
from shared.streams.settings import RedisSettings
from shared.wire.control import Control
from shared.wire.instruments import Kind
from shared.wire.topics import CONTROL
from tests.support.eventually import eventually
from tests.support.sandbox import SandboxInfo, sandbox_process
from tests.support.workers import enrich_environment, ingest_environment, worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]
STRIKES_EACH_SIDE = 60
LEAST = 0.25
STRIKES_KNOWN_MIN, STRIKES_BEYOND_MAX = 5, 6
OPTIONS = {
    "underlyings": "NIFTY",
    "windows": f"NIFTY:{LEAST}d:1",
    "expiries": 1,
    "shards": 1,
    "recentre_every_s": 1,
    "dwell_s": 0,
}


@pytest.fixture
async def redis(ticks_redis):
    url = ticks_redis.url_for("ops")
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name="test", settings=settings) as client:
        yield client


async def test_window_by_delta_gives_up_the_strikes_whose_published_deltas_are_too_small(
    ticks_redis, orders_redis, redis, tmp_path
) -> None:
    with sandbox_process(3, ["--strikes", str(STRIKES_EACH_SIDE)]) as sandbox:
        told = ingest_environment(ticks_redis, orders_redis, sandbox, **OPTIONS)
        async with (
            worker("ingest", told, tmp_path),
            worker("enrich", enrich_environment(ticks_redis), tmp_path),
        ):
            before = await asyncio.to_thread(watched, sandbox)
            await eventually(lambda: _narrowed(redis, sandbox), within_s=60)
            _, listed = await published.get_instruments(redis)
            held = listed[np.isin(listed["instrument_token"], list(watched(sandbox)))]
            options = held[held["kind"] >= Kind.CALL]
            records = await get_last_of(redis, 0, options["instrument_token"].tolist())
    assert len(held) < len(before)
    assert len(options) == 2 * len(np.unique(options["strike"]))
    sizes = out_of_the_money(options, records)
    assert len(sizes) > STRIKES_KNOWN_MIN
    # Some of the outermost are worth less: one beyond on each side, and what moved since.
    assert (sizes < LEAST * 0.8).sum() <= STRIKES_BEYOND_MAX


def watched(sandbox: SandboxInfo) -> set[int]:
    """Return the instruments that ingest's sockets have, as the broker sees it."""
    return set().union(*map(set, sandbox.get("watched").values()))


def out_of_the_money(options: np.ndarray, records: np.ndarray) -> np.ndarray:
    """Return the smaller of the two deltas of each strike, in size; of those that have both."""
    delta = dict(zip(records["instrument_token"].tolist(), records["delta"].tolist(), strict=True))
    by_strike: dict[float, list[float]] = {}
    for row in options:
        size = abs(delta.get(int(row["instrument_token"]), np.nan))
        by_strike.setdefault(float(row["strike"]), []).append(size)
    smaller = np.array(list(by_strike.values())).min(axis=1)
    return smaller[np.isfinite(smaller)]


async def _narrowed(redis, sandbox: SandboxInfo) -> bool:
    moves = [
        msgspec.json.decode(fields[b"json"], type=Control)
        for _, fields in await redis.xrange(CONTROL.name())
    ]
    is_told = any(each.kind == "chain_window_changed" for each in moves)
    return is_told and len(await asyncio.to_thread(watched, sandbox)) < STRIKES_EACH_SIDE * 2
