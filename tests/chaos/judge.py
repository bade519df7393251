"""Whether a run kept its promises, told from the broker's own record and the event stream."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from executor.rules.lifecycle import AT_REST
from executor.rules.tag import tag_of
from shared.wire.orders import OrderEvent, State
from tests.chaos.plan import RESTING, Scenario

#: States in which a placement says that the broker has exactly one order.
_HAS_ORDER: Final = frozenset({State.ACCEPTED, State.OPEN, State.COMPLETE})
_NO_ORDER: Final = frozenset({State.REFUSED, State.EXPIRED})
_BOOKED: Final = {
    State.OPEN: {"OPEN", "OPEN PENDING", "VALIDATION PENDING"},
    State.COMPLETE: {"COMPLETE"},
}


def settled(kinds: Mapping[str, str], states: Mapping[str, State]) -> list[str]:
    """Return what is not settled yet: not known, or neither at rest nor open at the broker."""
    missing = []
    for command_id, kind in kinds.items():
        state = states.get(command_id)
        is_open = kind == "place" and state is State.OPEN
        if state is None or not (state in AT_REST[kind] or is_open):
            missing.append(f"{kind} {command_id} is {state}")
    return missing


def judge(
    scenario: Scenario,
    account: str,
    *,
    states: Mapping[str, State],
    book: Sequence[Mapping[str, Any]],
    received: Sequence[Mapping[str, Any]],
    events: Sequence[OrderEvent],
    stored: Sequence[bytes],
) -> list[str]:
    """Return a sentence for each promise that was not kept."""
    kinds = {each["command_id"]: each["kind"] for each in scenario.commands}
    wrong = settled(kinds, states)
    wrong += _orders(kinds, account, states, book)
    wrong += _modifies(scenario, received)
    wrong += _events(kinds, states, events, stored)
    return wrong


def _orders(
    kinds: Mapping[str, str],
    account: str,
    states: Mapping[str, State],
    book: Sequence[Mapping[str, Any]],
) -> list[str]:
    wrong = []
    tags = {tag_of(account, name): name for name, kind in kinds.items() if kind == "place"}
    if strangers := [row["tag"] for row in book if row["tag"] not in tags]:
        wrong.append(f"orders of no command: {strangers}")
    count = Counter(tags[row["tag"]] for row in book if row["tag"] in tags)
    rows = {tags[row["tag"]]: row for row in book if row["tag"] in tags}
    for name in tags.values():
        state = states.get(name)
        if count[name] > 1:
            wrong.append(f"place {name}: {count[name]} orders at the broker")
        if state in _HAS_ORDER and count[name] != 1:
            wrong.append(f"place {name} is {state} without an order at the broker")
        if state in _NO_ORDER and count[name]:
            wrong.append(f"place {name} is {state} with an order at the broker")
        if state in _BOOKED and name in rows and rows[name]["status"] not in _BOOKED[state]:
            wrong.append(f"place {name} is {state}, its order {rows[name]['status']}")
        if state is State.CANCELLED and name in rows and rows[name]["status"] != "CANCELLED":
            wrong.append(f"place {name} is {state}, its order {rows[name]['status']}")
    return wrong


def _modifies(scenario: Scenario, received: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each modify has a price of its own: it may have been done at most once."""
    wanted = {
        float(each["price"]): each["command_id"]
        for each in scenario.commands
        if each["kind"] == "modify"
    }
    done = Counter(
        float(entry["params"]["price"])
        for entry in received
        if entry.get("method") == "PUT"
        and _is_done(entry)
        and float(entry["params"]["price"]) < RESTING
    )
    return [
        f"modify {wanted[price]}: done {count} times"
        for price, count in done.items()
        if count > 1 and price in wanted
    ]


def _is_done(entry: Mapping[str, Any]) -> bool:
    fault = entry.get("fault", "")
    return entry.get("status") == 200 or fault.startswith(("accept", "refuse_timed_out"))


def _events(
    kinds: Mapping[str, str],
    states: Mapping[str, State],
    events: Sequence[OrderEvent],
    stored: Sequence[bytes],
) -> list[str]:
    wrong = []
    first: dict[int, OrderEvent] = {}
    highest = 0
    for event in events:
        if event.sequence in first:
            if first[event.sequence] != event:
                wrong.append(f"event {event.sequence} was published with two contents")
            continue
        first[event.sequence] = event
        if event.sequence < highest:
            wrong.append(f"event {event.sequence} first published after {highest}")
        highest = max(highest, event.sequence)
    if sorted(first) != list(range(1, len(stored) + 1)):
        wrong.append(f"{len(stored)} events committed, published were {sorted(first)}")
    for number, payload in enumerate(stored, start=1):
        if number in first and msgspec.json.decode(payload, type=OrderEvent) != first[number]:
            wrong.append(f"event {number} differs from what was committed")
    return wrong + _told(kinds, states, list(first.values()))


def _told(
    kinds: Mapping[str, str], states: Mapping[str, State], events: Sequence[OrderEvent]
) -> list[str]:
    wrong = []
    for name in kinds:
        told = [each for each in events if each.command_id == name]
        if not told or told[0].event != "received":
            wrong.append(f"command {name}: its first event is not received")
            continue
        last = [each for each in told if each.event not in ("replayed", "conflict")][-1]
        if states.get(name) is not last.state:
            wrong.append(f"command {name} is {states.get(name)}, last told {last.state}")
    return wrong
