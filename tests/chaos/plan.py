"""What befalls one run, drawn from its seed alone."""

from __future__ import annotations

import random
import uuid
from dataclasses import dataclass, field
from typing import Any, Final

from executor.crash import CrashPoint

LAST_PRICE: Final = 1500
RESTING: Final = LAST_PRICE - 50
#: Seconds of the shortened settle times in which an order may hide and still be found: of the real
#: ones, 90 of 180.
HIDDEN_S: Final = 0.4

#: Faults that strike order requests, each with its fields besides the account.
ORDER_FAULTS: Final[dict[str, tuple[dict[str, Any], ...]]] = {
    "no fault": (),
    "accept, then drop": ({"kind": "accept_then_drop"},),
    "accept, then 500": ({"kind": "accept_then_500"},),
    "400 timed out": ({"kind": "refuse_timed_out_400"},),
    "429": ({"kind": "http_429", "path": "/orders"},),
    "429, yet taken": (
        {"kind": "accept_then_500", "status": 429, "error_type": "NetworkException"},
    ),
    "503": ({"kind": "http_5xx", "path": "/orders"},),
    "HTML instead of JSON": ({"kind": "http_html", "path": "/orders"},),
    "request lost": ({"kind": "drop_request"},),
    "slow answer": ({"kind": "slow", "path": "/orders", "seconds": 0.3},),
    "hidden, then seen": (
        {"kind": "hidden_for", "seconds": HIDDEN_S},
        {"kind": "accept_then_drop"},
    ),
    "stuck in validation": ({"kind": "stuck_in_validation", "seconds": 0.3},),
    "book unreadable": ({"kind": "http_5xx", "method": "GET", "path": "/orders", "count": 3},),
}
#: More prices than a run has modifies.
_PRICES: Final = 40
#: Faults of which the run itself is the cause.
WORLD_FAULTS: Final = (
    "token death",
    "updates doubled and shuffled",
    "two executors",
    "Redis restarted",
    "PostgreSQL restarted",
)
#: While one of these strikes no other run may be under way.
EXCLUSIVE: Final = frozenset({"Redis restarted", "PostgreSQL restarted"})
FAULTS: Final = (*ORDER_FAULTS, *WORLD_FAULTS)
_METHODS: Final = ("POST", "POST", "POST", "PUT", "DELETE")
_CHOOSES_METHOD: Final = frozenset(
    {
        *("accept, then drop", "accept, then 500", "400 timed out", "429", "429, yet taken"),
        *("503", "request lost"),
    }
)


@dataclass(frozen=True)
class Crash:
    """Die when the point is reached for the n-th time."""

    point: CrashPoint
    nth: int


@dataclass(frozen=True)
class Scenario:
    """One run: commands in the order written, the fault, the crashes one after another."""

    seed: int
    fault: str
    crashes: tuple[Crash, ...]
    commands: tuple[dict[str, Any], ...]
    wishes: tuple[dict[str, Any], ...] = ()
    #: How many of the commands are written before the first executor starts.
    early: int = 0
    crossing: frozenset[str] = field(default_factory=frozenset)

    @property
    def is_exclusive(self) -> bool:
        return self.fault in EXCLUSIVE

    def __str__(self) -> str:
        crashes = ", ".join(f"{each.point} #{each.nth}" for each in self.crashes) or "no crash"
        kinds = " ".join(each["kind"] for each in self.commands)
        return f"seed {self.seed}: {self.fault}; {crashes}; {kinds}"


def draw(seed: int) -> Scenario:
    """Return the run of a seed: always the same one.

    Seeds that follow one another go through the matrix of crash points and faults in order, so
    that a number of runs covers each cell as evenly as can be; the rest is chance.
    """
    chance = random.Random(seed)
    points = (*CrashPoint, None)
    point = points[seed % len(points)]
    fault = FAULTS[(seed // len(points)) % len(FAULTS)]
    crashes = [] if point is None else [Crash(point, chance.choice((1, 1, 2)))]
    if crashes and chance.random() < 0.3:
        crashes.append(Crash(chance.choice(list(CrashPoint)), 1))
    commands = _commands(chance)
    return Scenario(
        seed=seed,
        fault=fault,
        crashes=tuple(crashes),
        commands=tuple(commands),
        wishes=_wishes(chance, fault),
        early=chance.choice((0, 0, len(commands))),
    )


def _wishes(chance: random.Random, fault: str) -> tuple[dict[str, Any], ...]:
    wishes = ORDER_FAULTS.get(fault, ())
    if fault not in _CHOOSES_METHOD:
        return wishes
    method, count = chance.choice(_METHODS), chance.choice((1, 1, 2))
    return tuple({"path": "/orders", **wish, "method": method, "count": count} for wish in wishes)


def _commands(chance: random.Random) -> list[dict[str, Any]]:
    commands: list[dict[str, Any]] = []
    # Each modify wants a price of its own: the broker's record tells them apart by it.
    prices = chance.sample(range(RESTING - _PRICES, RESTING), _PRICES)
    for _ in range(chance.randint(1, 3)):
        place = _place(chance)
        target = place["command_id"]
        around = [place]
        if chance.random() < 0.35:
            around += [
                _named(chance, kind="modify", target_command_id=target, price=str(prices.pop()))
                for _ in range(chance.randint(1, 2))
            ]
        if chance.random() < 0.4:
            cancel = _named(chance, kind="cancel", target_command_id=target)
            around.insert(chance.choice((0, len(around), len(around))), cancel)
        if chance.random() < 0.25:
            around.insert(chance.randrange(1, len(around) + 1), place)
        commands += around
    return commands


def _place(chance: random.Random) -> dict[str, Any]:
    price = chance.choice((RESTING, RESTING, RESTING, LAST_PRICE + 20))
    place = _named(
        chance,
        kind="place",
        exchange="NSE",
        tradingsymbol="INFY",
        transaction_type="BUY",
        quantity=chance.randint(1, 3),
        product="CNC",
        order_type="LIMIT",
        price=str(price),
    )
    if chance.random() < 0.1:
        place["valid_until_us"] = 1_500_000_000_000_000
    if chance.random() < 0.1:
        place["tradingsymbol"] = "NOSUCHTHING"
    return place


def _named(chance: random.Random, **command: Any) -> dict[str, Any]:
    return {"command_id": uuid.UUID(int=chance.getrandbits(128)).hex, **command}
