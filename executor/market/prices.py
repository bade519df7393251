"""The last price a rule needs, asked of Kite where nobody streams it, before the command's turn."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, TypeVar

from executor.market.price_questions import End, Name, Questions
from executor.market.quotes import Quotes
from executor.metrics import PRICE_QUESTIONS
from executor.rules.facts import Facts
from executor.rules.pricing import asks_price, needs_price, patience_s
from executor.rules.risk import Judged, Risk
from shared.clock import Clock
from shared.runtime.logs import get_log
from shared.store.rows import CommandRow

#: Commands noted at a time; the oldest is forgotten, which means it is not asked for.
_NOTED_MAX: Final = 10_000
#: A command that was kept back by something else for so long after its wait may wait once more.
_AGAIN_S: Final = 10.0

_Value = TypeVar("_Value")

log = get_log()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Notes which commands lack a price, lets each of them wait for one, once and not for long."""

    quotes: Quotes
    questions: Questions
    clock: Clock
    #: The longest wait of a command; 0 is that nothing is asked.
    wait_s: float
    _noted: dict[str, Name] = field(default_factory=dict)
    #: When commands that did not come by again yet had waited, in monotonic seconds.
    _waited: dict[str, float] = field(default_factory=dict)

    def lacks(self, what: Judged, name: Name, risk: Risk) -> bool:
        """Tell whether a rule needs the price, and there is none as far as was looked."""
        if not self.wait_s or not needs_price(what, risk):
            return False
        return self._is_open(name)

    def expect(self, what: Judged, name: Name, risk: Risk) -> None:
        """Let the next question name this instrument too."""
        if self.lacks(what, name, risk):
            self.questions.expect(name)

    def is_wanted(self, facts: Facts, name: Name) -> bool:
        """Tell whether the command would wait for a price."""
        return bool(self.wait_s) and self._is_open(name) and asks_price(facts) is not None

    def note(self, facts: Facts, name: Name) -> None:
        """Remember what the command waits for, if it does."""
        if not self.is_wanted(facts, name):
            self._noted.pop(facts.row.command_id, None)
            return
        _put(self._noted, facts.row.command_id, name)

    async def is_awaited(self, row: CommandRow) -> bool:
        """Tell whether the command has to wait for the price that was noted, if it has not yet."""
        name = self._noted.pop(row.command_id, None)
        waited_s = self._waited.pop(row.command_id, -math.inf)
        if name is None or self.clock.monotonic_s() - waited_s < _AGAIN_S:
            return False
        await self.quotes.look(*name)
        if not self._is_open(name):
            return False
        self._noted[row.command_id] = name
        return True

    async def wait(self, row: CommandRow) -> None:
        """Wait for the price that was noted, for the limit at most."""
        name = self._noted.pop(row.command_id, None)
        if name is None:
            return
        patience = patience_s(self.wait_s, row.valid_until_us, self.clock.now_ns() // 1000)
        end = End.HURRIED
        try:
            end = await self.questions.ask(name, patience)
        finally:
            PRICE_QUESTIONS.labels(outcome=end.value).inc()
            _put(self._waited, row.command_id, self.clock.monotonic_s())
        if end is not End.ANSWERED:
            log.warning(
                "price.not_told",
                command_id=row.command_id,
                instrument=":".join(name),
                outcome=end.value,
                waited_s_max=round(patience, 3),
            )

    def _is_open(self, name: Name) -> bool:
        """Tell whether there is no price, and Kite may be asked and has not just said so."""
        if self.quotes.find(*name) is not None or self.quotes.was_told(*name):
            return False
        return self.questions.may_be_asked


def _put(kept: dict[str, _Value], key: str, value: _Value) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > _NOTED_MAX:
        kept.pop(next(iter(kept)))
