"""Whether everything runs, judged from what was found."""

from __future__ import annotations

from msgspec import Struct

from shared.ops.outcome import ExitCode
from shared.ops.probes import Finding
from shared.ops.stream_facts import LeaseFacts, StreamFacts
from shared.ops.switches import complaint
from shared.store.trading import TradingSwitch

#: Writes are refused now and again before the whole is reached: what is free comes and goes.
_MEMORY_USED_RATIO_MAX = 0.95


class ServerFacts(Struct, frozen=True, kw_only=True):
    """A server as we reached it, or why not."""

    name: str
    ok: bool
    detail: str = ""
    #: Of its maxmemory; 0 where it has none.
    memory_used_ratio: float = 0.0


class Condition(Struct, frozen=True, kw_only=True):
    """All that `status` found at one moment."""

    servers: list[ServerFacts]
    workers: list[Finding]
    streams: list[StreamFacts]
    leases: list[LeaseFacts]
    #: Every switch that was ever set; None where they were not read.
    switches: list[TradingSwitch] | None = None
    publisher_url: str = ""


def complaints(condition: Condition, *, lag_s_max: float) -> list[str]:
    """Return a sentence for everything that is not as it should be."""
    found = [complaint(each) for each in condition.switches or () if each.state != "ACTIVE"]
    found += [
        f"{server.name} does not answer: {server.detail}"
        for server in condition.servers
        if not server.ok
    ]
    found += [
        f"{server.name} uses {server.memory_used_ratio:.0%} of its maxmemory; at 100% it refuses "
        "every write"
        for server in condition.servers
        if server.memory_used_ratio >= _MEMORY_USED_RATIO_MAX
    ]
    found += [
        f"{worker.worker} is {worker.state}{_because(worker.reasons)}"
        for worker in condition.workers
        if not worker.is_ready
    ]
    found += [
        f"{group.name} is {group.lag_s:.1f} s behind on {stream.name}"
        for stream in condition.streams
        for group in stream.groups
        if group.lag_s > lag_s_max
    ]
    found += [
        f"{stream.name} holds {stream.length:,} dead letters"
        for stream in condition.streams
        if stream.is_dead_letters and stream.length
    ]
    found += [f"nobody holds {lease.name}" for lease in condition.leases if not lease.owner]
    return found


def verdict(condition: Condition, found: list[str]) -> ExitCode:
    """Return 0 where all is well, 1 where no server answers, 3 for anything between."""
    if not any(server.ok for server in condition.servers):
        return ExitCode.FAILURE
    return ExitCode.DEGRADED if found else ExitCode.OK


def _because(reasons: dict[str, str]) -> str:
    return ": " + "; ".join(f"{name} {why}" for name, why in reasons.items()) if reasons else ""
