"""What a 429 kept from being executed, as far as the broker's word goes. Pure.

A 429 says that nothing happened. Before the same command leaves a second time the order book, read
after that answer, has to say so as well.
"""

from __future__ import annotations

from typing import Final

from executor.rules.facts import Facts
from shared.store.rows import CommandRow

#: The code of the reason that such a command carries while it waits.
THROTTLED: Final = "throttled"
#: Kinds that the book shows. A cancel passes always: cancelling twice is cancelling once.
_SHOWN: Final = frozenset({"place", "modify"})


def is_throttled(row: CommandRow) -> bool:
    """Tell whether a 429 was the last answer to a command that the book would show."""
    return row.kind in _SHOWN and row.reason is not None and row.reason.code == THROTTLED


def is_unread(facts: Facts) -> bool:
    """Tell whether the book is yet to be read before the command goes out again."""
    return is_throttled(facts.row) and facts.looked_us <= facts.row.changed_us
