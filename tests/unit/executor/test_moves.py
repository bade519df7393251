from __future__ import annotations

from dataclasses import dataclass, field

from prometheus_client import REGISTRY

from executor.journal.moves import move
from executor.rules.lifecycle import Step
from shared.wire.orders import State
from tests.unit.executor.builders import NOW_US, a_row


@dataclass
class Change:
    at_us: int = NOW_US
    saved: list = field(default_factory=list)
    told: list = field(default_factory=list)

    async def save(self, row, *, was):
        self.saved.append((was, row.state))

    def emit(self, event):
        self.told.append(str(event.event))


def handed_over():
    return REGISTRY.get_sample_value("tickflow_executor_commands_manual_total")


async def test_command_that_is_given_up_is_counted_as_handed_to_a_person():
    change, before = Change(), handed_over()
    row = await move(change, a_row(state=State.SENDING), Step.LOSE)
    assert handed_over() == before
    await move(change, row, Step.GIVE_UP)
    assert handed_over() == before + 1
    assert change.saved == [
        (State.SENDING, State.UNKNOWN),
        (State.UNKNOWN, State.MANUAL),
    ]
    assert change.told == ["unknown", "manual"]
