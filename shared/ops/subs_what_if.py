"""What wants that nobody has yet would do to the room there is, as arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from shared.wire.subscriptions import Subscriptions

_TOKEN: Final = np.dtype("<u4")


@dataclass(frozen=True, slots=True)
class WhatIf:
    """Tokens that would get a place, that would not, that would lose theirs; wanted already."""

    placed: tuple[int, ...]
    left_out: tuple[int, ...]
    pushed_out: tuple[int, ...]
    wanted_already: tuple[int, ...]


def what_if(layout: Subscriptions, added: Iterable[int], priority: int) -> WhatIf:
    """Return what would become of `added` on this ingest, wanted with `priority`.

    Room goes to the most important; of equal ones those that are wanted already go first.
    """
    ranking = np.frombuffer(layout.ranking, _TOKEN).tolist()
    new = tuple(dict.fromkeys(added))
    before = dict.fromkeys(ranking)
    coming = [token for token in new if token not in before]
    raised = [token for token in new if token in before]
    stay, ahead = _ahead(ranking, layout.priorities, priority, set(raised))
    after = [*ahead, *[token for token in new if token not in set(ahead)], *stay]
    fits = set(after[: layout.capacity])
    return WhatIf(
        placed=tuple(token for token in coming if token in fits),
        left_out=tuple(token for token in new if token not in fits),
        pushed_out=tuple(token for token in ranking[: layout.capacity] if token not in fits),
        wanted_already=tuple(raised),
    )


def _ahead(
    ranking: Sequence[int], priorities: Iterable[tuple[int, int]], priority: int, raised: set[int]
) -> tuple[list[int], list[int]]:
    """Return who stays behind what is added, and who goes before it.

    Of those that are wanted already with less, `raised`, none stays behind.
    """
    count = sum(number for each, number in priorities if each >= priority)
    return [token for token in ranking[count:] if token not in raised], list(ranking[:count])
