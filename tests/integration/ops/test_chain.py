"""An option chain from what enrichment published."""

from __future__ import annotations

import json

from tests.support.option_chain import FAR, chain_ticks


async def publish(upstream) -> None:
    await upstream.publish()
    await upstream.last(chain_ticks())
    await upstream.last(chain_ticks(FAR, forward=24_120.0))


def test_chain_of_the_nearest_expiry_as_json(operator) -> None:
    operator.seed(publish)
    result = operator.run("chain", "nifty", "--strikes", "1", "--json")
    assert result.exit_code == 0, result.stderr
    chain = json.loads(result.stdout)
    assert (chain["underlying"], chain["expiry"]) == ("NIFTY", "2026-11-26")
    assert [row["strike"] for row in chain["rows"]] == [23_900.0, 24_000.0, 24_100.0]
    assert [row["at_the_money"] for row in chain["rows"]] == [False, True, False]
    assert chain["rows"][1]["put"]["tradingsymbol"] == "NIFTY26112624000PE"


def test_chain_of_a_named_expiry_as_a_table(operator) -> None:
    operator.seed(publish)
    result = operator.run("chain", "NIFTY", "--expiry", "2026-12-03")
    assert result.exit_code == 0, result.stderr
    assert "NIFTY 2026-12-03" in result.stdout
    assert "→ 24,100" in result.stdout


def test_unknown_underlying_and_expiry_are_not_found(operator) -> None:
    operator.seed(publish)
    assert operator.run("chain", "NIFTEE").exit_code == 4
    result = operator.run("chain", "NIFTY", "--expiry", "2026-12-04", "--json")
    assert result.exit_code == 4
    assert json.loads(result.stderr)["error"] == "not_found"


def test_nothing_published_yet_is_degraded(operator) -> None:
    result = operator.run("chain", "NIFTY")
    assert result.exit_code == 3
    assert "is ingest running?" in result.stderr


def test_instruments_without_ticks_are_degraded(operator) -> None:
    operator.seed(lambda upstream: upstream.publish())
    result = operator.run("chain", "NIFTY")
    assert result.exit_code == 3
    assert "is enrich running?" in result.stderr


async def test_watch_prints_again_and_again(operator) -> None:
    async with operator.upstream() as upstream:
        await publish(upstream)
        async with operator.running("chain", "NIFTY", "--watch", "--json") as process:
            first, second = [json.loads(await process.stdout.readline()) for _ in range(2)]
    assert first == second
