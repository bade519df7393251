"""Whether everything runs."""

from __future__ import annotations

from shared.ops.condition import Condition, ServerFacts, complaints, verdict
from shared.ops.outcome import ExitCode
from shared.ops.probes import Finding
from shared.ops.stream_facts import GroupFacts, LeaseFacts, StreamFacts
from shared.store.trading import TradingSwitch

UP = ServerFacts(name="redis ticks", ok=True)
READY = Finding(worker="ingest", url="http://x", state="ready")


def condition(**changes) -> Condition:
    base = {"servers": [UP], "workers": [READY], "streams": [], "leases": []}
    return Condition(**{**base, **changes})


def stream(name: str = "ticks.raw.v1.0", *, lag_s: float = 0.0, length: int = 1) -> StreamFacts:
    group = GroupFacts(name="enrich", consumers=1, pending=0, lag_s=lag_s)
    return StreamFacts(
        name=name,
        redis="ticks",
        length=length,
        bytes=1,
        oldest_age_s=1.0,
        newest_age_s=0.0,
        groups=[group],
    )


def judged(found: Condition) -> tuple[ExitCode, list[str]]:
    sentences = complaints(found, lag_s_max=2.0)
    return verdict(found, sentences), sentences


def test_all_well_has_no_complaint() -> None:
    assert judged(condition(streams=[stream()])) == (ExitCode.OK, [])


def test_worker_that_is_not_ready_degrades_with_its_reason() -> None:
    worker = Finding(worker="enrich", url="u", state="not ready", reasons={"shards": "none held"})
    assert judged(condition(workers=[worker])) == (
        ExitCode.DEGRADED,
        ["enrich is not ready: shards none held"],
    )


def test_group_behind_degrades() -> None:
    code, sentences = judged(condition(streams=[stream(lag_s=2.5)]))
    assert (code, sentences) == (ExitCode.DEGRADED, ["enrich is 2.5 s behind on ticks.raw.v1.0"])


def test_dead_letters_degrade_only_where_there_are_some() -> None:
    empty, full = (stream("orders.commands.v1.SB0001.dead", length=length) for length in (0, 3))
    assert judged(condition(streams=[empty]))[0] is ExitCode.OK
    assert judged(condition(streams=[full]))[1] == [
        "orders.commands.v1.SB0001.dead holds 3 dead letters"
    ]


def test_server_that_refuses_writes_degrades_before_somebody_writes() -> None:
    roomy, full = (
        ServerFacts(name="redis orders", ok=True, memory_used_ratio=ratio) for ratio in (0.94, 1.2)
    )
    assert judged(condition(servers=[UP, roomy]))[0] is ExitCode.OK
    assert judged(condition(servers=[UP, full])) == (
        ExitCode.DEGRADED,
        ["redis orders uses 120% of its maxmemory; at 100% it refuses every write"],
    )


def switch(state, scope="global", subject="", sentence="") -> TradingSwitch:
    return TradingSwitch(
        scope=scope,
        subject=subject,
        state=state,
        set_by="Ann",
        sentence=sentence,
        changed_us=1_790_000_000_000_000,
    )


def test_trading_that_is_held_is_said_first_with_who_since_when_and_why() -> None:
    worker = Finding(worker="enrich", url="u", state="not ready")
    switches = [
        switch("HALTED", sentence="loss"),
        switch("ACTIVE", "account", "AB1234"),
        switch("REDUCING", "strategy", "mad"),
    ]
    code, sentences = judged(condition(workers=[worker], switches=switches))
    assert code is ExitCode.DEGRADED
    since = "by Ann since 2026-09-21 19:43:20.000000"
    reduces = "only cancels pass, and what certainly reduces a position"
    assert sentences == [
        f"trading is HALTED for everybody: only cancels pass ({since}: loss)",
        f"trading is REDUCING for strategy mad: {reduces} ({since})",
        "enrich is not ready",
    ]


def test_switches_that_are_all_active_are_no_complaint() -> None:
    switches = [switch("ACTIVE"), switch("ACTIVE", "strategy", "mad")]
    assert judged(condition(switches=switches)) == (ExitCode.OK, [])


def test_lease_of_nobody_degrades() -> None:
    lease = LeaseFacts(name="enrich.0", redis="ticks", owner="", fence=0, remaining_s=0.0)
    assert judged(condition(leases=[lease])) == (ExitCode.DEGRADED, ["nobody holds enrich.0"])


def test_one_server_away_degrades_and_none_left_fails() -> None:
    away = ServerFacts(name="redis orders", ok=False, detail="refused")
    assert judged(condition(servers=[UP, away]))[0] is ExitCode.DEGRADED
    assert judged(condition(servers=[away]))[0] is ExitCode.FAILURE
