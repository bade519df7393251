"""What a command needs on its way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import Enum, auto

from executor.broker.broker import Broker
from executor.broker.circuit import Circuit
from executor.broker.egress import Egress
from executor.broker.pace import Pace
from executor.crash import CrashHook
from executor.journal.knowledge import Knowledge
from executor.steady import Patience
from shared.clock import Clock
from shared.store.journal import Journal


class Verdict(Enum):
    """What the backlog does with a command afterwards."""

    DONE = auto()
    PARK = auto()
    #: It waits for a price that Kite is asked for, then comes back.
    ASK = auto()
    BACK = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """One account's desk; `look_soon` asks for the order book, `sync_soon` for positions."""

    account: str
    journal: Journal
    broker: Broker
    knowledge: Knowledge
    pace: Pace
    patience: Patience
    circuit: Circuit
    egress: Egress
    clock: Clock
    attempts_max: int
    attempt_gap_s: float
    crash_point: CrashHook
    stopping: asyncio.Event
    look_soon: asyncio.Event = field(default_factory=asyncio.Event)
    sync_soon: asyncio.Event = field(default_factory=asyncio.Event)
