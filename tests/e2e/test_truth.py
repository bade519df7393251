"""The volatility we publish is the one the market was priced with, as far as price ticks allow.

The sandbox prices every option from a forward and a smile that nobody else sees, rounds to the
price tick, and speaks Kite's protocol. Its market is frozen, so that every number below belongs
to one moment; then what comes out of the pipeline is held against what went in.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import sys
import urllib.request
from dataclasses import dataclass, replace
from urllib.parse import urlencode

import numpy as np
import pytest
import redis.asyncio as redis_client

from shared.wire.ticks import TICK_DTYPE, ForwardSource, Mode, PriceSource, Status
from shared.wire.topics import ENRICHED_TICKS
from tests.support.eventually import eventually
from tests.support.sandbox import SandboxInfo, running_sandbox
from tests.support.workers import enrich_environment, ingest_environment, worker

pytestmark = [pytest.mark.integration, pytest.mark.e2e]

#: Strikes either side of the money: with 2 to 9 days left about two and a half standard
#: deviations of the index, where a trader has orders. Further out prices lie on the lowest tick.
STRIKES_EACH_SIDE = 12
#: The nearest expiry is at least this far, or the market's clock is moved past it.
NEAREST_S_MIN = 2 * 86_400
TICK = 0.05
#: A strike's price determines its volatility when one price tick is at most this many vol points,
#: with a time value of at least one tick.
IV_TICK_MAX = 1.0
EXCLUDED_SHARE_MAX = 0.10
#: Put-call parity adds a call's rounding to a put's: half a tick each, for the few days of growth.
FORWARD_ERROR_MAX = TICK * 1.001
SETTLED_NS = 1_500_000_000


@dataclass(frozen=True)
class Compared:
    """One option: what we published, what the sandbox priced it with."""

    record: np.void
    vol: float
    forward: float

    @property
    def determined(self) -> bool:
        return self.record["iv_tick"] <= IV_TICK_MAX and self.record["time_value"] >= TICK

    @property
    def allowed(self) -> float:
        """Half a tick of its own price, half a tick of each leg that the forward comes from."""
        price_error = 0.5 * TICK
        forward_error = abs(float(self.record["delta"])) * FORWARD_ERROR_MAX
        vega = float(self.record["vega_per_vol_point"]) * 100.0
        # A second-order share: vega itself is taken at the rounded price.
        return (price_error + forward_error) / vega * 1.05


async def _past_the_nearest_expiry(sandbox: SandboxInfo) -> SandboxInfo:
    """Move the market's clock so that no expiry is nearer than two days."""
    now_ns = int(sandbox.get("state")["time_ns"])
    expiries = await asyncio.to_thread(_expiries, sandbox)
    nearest = sandbox.get("smile", underlying="NIFTY", expiry=expiries[0])["expiry_instant"]
    left_s = nearest - now_ns / 1e9
    if left_s < NEAREST_S_MIN:
        sandbox.post("clock", advance_s=left_s + 60)
    return await asyncio.to_thread(_logged_in, sandbox)


def _logged_in(sandbox: SandboxInfo) -> SandboxInfo:
    """Log the account in anew: a token does not outlive the morning after."""
    account = sandbox.account
    request_token = sandbox.post("login", account=account.id)["request_token"]
    secret = f"{account.api_key}{request_token}{account.api_secret}"
    form = {
        "api_key": account.api_key,
        "request_token": request_token,
        "checksum": hashlib.sha256(secret.encode()).hexdigest(),
    }
    url, body = f"{sandbox.rest_url}/session/token", urlencode(form).encode()
    with urllib.request.urlopen(url, data=body, timeout=10) as response:
        token = json.load(response)["data"]["access_token"]
    return replace(sandbox, accounts=(replace(account, access_token=token),))


def _expiries(sandbox: SandboxInfo) -> list[str]:
    with urllib.request.urlopen(f"{sandbox.rest_url}/instruments", timeout=10) as response:
        rows = [line.split(",") for line in response.read().decode().splitlines()[1:]]
    return sorted({row[5] for row in rows if row[3].strip('"') == "NIFTY" and row[5]})


class Newest:
    """The newest record per instrument of every enriched stream."""

    def __init__(self, redis: redis_client.Redis, shards: int) -> None:
        self._redis = redis
        self._after = {ENRICHED_TICKS.name(shard): b"0" for shard in range(shards)}
        self.records: dict[int, np.void] = {}
        self.settled_ns = 0

    async def read_on(self) -> None:
        for stream, entries in await self._redis.xread(self._after, count=1000) or []:
            for entry_id, fields in entries:
                for record in np.frombuffer(fields[b"r"], TICK_DTYPE):
                    self.records[int(record["instrument_token"])] = record
                self._after[stream.decode()] = entry_id


async def test_published_volatility_is_the_markets_own_within_price_rounding(
    ticks_redis, orders_redis, tmp_path, capsys
) -> None:
    async with running_sandbox(7, ["--strikes", str(STRIKES_EACH_SIDE)]) as started:
        sandbox = await _past_the_nearest_expiry(started)
        expiries = (await asyncio.to_thread(_expiries, sandbox))[:2]
        smiles = [sandbox.get("smile", underlying="NIFTY", expiry=expiry) for expiry in expiries]
        wanted = ingest_environment(
            ticks_redis,
            orders_redis,
            sandbox,
            underlyings="NIFTY",
            expiries=2,
            strikes_each_side=0,
            mode="full",
        )
        pricing = enrich_environment(ticks_redis, pricing__rate=smiles[0]["rate"])
        async with (
            worker("enrich", pricing, tmp_path, await_ready=False) as enrich,
            worker("ingest", wanted, tmp_path) as ingest,
            redis_client.Redis.from_url(ticks_redis.url_for("ops").reveal()) as redis,
        ):
            await eventually(lambda: asyncio.to_thread(enrich.is_ready), within_s=90)
            compared = await _compare(sandbox, expiries, Newest(redis, 2))
            assert (await ingest.drain(), await enrich.drain()) == (0, 0)
    _judge(compared, capsys)


async def _compare(sandbox: SandboxInfo, expiries: list[str], newest: Newest) -> list[Compared]:
    frozen = sandbox.post("market", frozen=True)
    smiles = [sandbox.get("smile", underlying="NIFTY", expiry=expiry) for expiry in expiries]
    truth = {
        strike[f"{side}_token"]: (strike["vol"], smile["forward"])
        for smile in smiles
        for strike in smile["strikes"]
        for side in ("call", "put")
    }
    await eventually(lambda: _settled(newest, truth, frozen["exchange_timestamp"]), within_s=20)
    return [Compared(newest.records[token], *facts) for token, facts in truth.items()]


async def _settled(newest: Newest, tokens, stamp_s: int) -> bool:
    """Wait until every option was priced from a forward that was measured in the frozen market."""
    await newest.read_on()
    missing = [token for token in tokens if token not in newest.records]
    assert not missing, f"{len(missing)} of {len(tokens)} options never came"
    for token in tokens:
        record = newest.records[token]
        assert record["exchange_timestamp_s"] == stamp_s, "an option from before the freeze"
        assert record["forward_source"] == ForwardSource.PARITY, record["forward_source"]
    oldest_ns = min(int(newest.records[token]["received_at_ns"]) for token in tokens)
    newest.settled_ns = newest.settled_ns or oldest_ns
    # Several looks at parity later: none of its quotes is from before the freeze.
    assert oldest_ns - newest.settled_ns > SETTLED_NS, "the forward may be older than the freeze"
    return True


def _judge(compared: list[Compared], capsys) -> None:
    tested = [each for each in compared if each.determined]
    excluded = len(compared) - len(tested)
    error = np.array([abs(float(each.record["implied_vol"]) - each.vol) for each in tested])
    allowed = np.array([each.allowed for each in tested])
    forward = np.array([abs(float(each.record["forward"]) - each.forward) for each in compared])
    with capsys.disabled():
        sys.stdout.write(
            f"\n  truth: {len(tested)} options tested, {excluded} excluded"
            f" (iv_tick > {IV_TICK_MAX:g} vol point or time value < {TICK} rupees);"
            f" largest error {error.max() * 1e4:.2f} bp of volatility,"
            f" at most {(error / allowed).max():.2f} of what rounding allows;"
            f" forward off by {forward.max():.4f} rupees\n"
        )
    assert excluded < EXCLUDED_SHARE_MAX * len(compared)
    for each in tested:
        record = each.record
        assert record["status"] == Status.OK
        assert record["mode"] == Mode.FULL
        assert record["price_source"] == PriceSource.MID
    assert forward.max() <= FORWARD_ERROR_MAX
    wrong = np.flatnonzero(error > allowed)
    assert not len(wrong), [
        (tested[k].record["instrument_token"], error[k], allowed[k]) for k in wrong[:5]
    ]
