"""The enriched stream on the terminal."""

from __future__ import annotations

import asyncio
import json
import signal

from tests.integration.ops.conftest import WITHIN_S
from tests.support.eventually import eventually
from tests.support.option_chain import INFY, NIFTY, chain_ticks, tick


async def fed(operator, *words: str, shard: int = 0, records) -> tuple[int, list[str], str]:
    """Run a tail that ends by itself while ticks keep coming."""
    async with operator.upstream() as upstream:
        await upstream.publish()
        async with operator.running("ticks", "tail", *words) as process:
            ended = asyncio.ensure_future(process.communicate())

            async def feed() -> bool:
                await upstream.enriched(records, shard)
                return ended.done()

            await eventually(feed, within_s=WITHIN_S, every_s=0.05)
            out, err = await ended
        return process.returncode, out.decode().splitlines(), err.decode()


async def test_tail_prints_json_lines_until_it_has_enough(operator) -> None:
    records = chain_ticks()
    code, lines, err = await fed(operator, "--count", "3", "--json", records=records)
    assert (code, err) == (0, "")
    ticks = [json.loads(line) for line in lines]
    assert [each["instrument_token"] for each in ticks] == records["instrument_token"][:3].tolist()
    assert ticks[0]["tradingsymbol"] == "NIFTY26112623900CE"
    assert ticks[0]["implied_vol"] == 0.125


async def test_tail_of_one_symbol_skips_all_others(operator) -> None:
    records = [tick(NIFTY, 24_010.0), tick(INFY, 1500.0)]
    code, lines, _ = await fed(
        *(operator, "--symbol", "NSE:INFY", "--count", "2", "--mode", "ltp", "--json"),
        shard=1,
        records=records[1],
    )
    assert code == 0
    assert {json.loads(line)["instrument_token"] for line in lines} == {INFY}


async def test_tail_as_text_has_a_heading(operator) -> None:
    code, lines, _ = await fed(operator, "--count", "1", records=chain_ticks())
    assert code == 0
    assert lines[0].split()[:3] == ["time", "symbol", "last"]
    assert lines[1].split()[1] == "NIFTY26112623900CE"


async def test_tail_ended_by_the_operator_is_a_success(operator) -> None:
    async with operator.upstream() as upstream:
        await upstream.publish()
        async with operator.running("ticks", "tail") as process:
            await process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), WITHIN_S) == 0
            assert await process.stderr.read() == b""


async def test_tail_without_a_tick_in_time_exits_4(operator) -> None:
    async with operator.upstream() as upstream:
        await upstream.publish()
        async with operator.running("ticks", "tail", "--timeout", "0.2") as process:
            assert await asyncio.wait_for(process.wait(), WITHIN_S) == 4


def test_tail_of_what_is_not_listed_exits_4(operator) -> None:
    operator.seed(lambda upstream: upstream.publish())
    result = operator.run("ticks", "tail", "--symbol", "NSE:NIX")
    assert (result.exit_code, result.stdout) == (4, "")


def test_tail_before_ingest_ran_is_degraded(operator) -> None:
    assert operator.run("ticks", "tail").exit_code == 3
