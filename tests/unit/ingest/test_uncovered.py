from __future__ import annotations

from ingest.uncovered import Uncovered
from shared.wire.control import Gap

US = 1_000


def uncovered() -> tuple[Uncovered, list[Gap]]:
    gaps: list[Gap] = []
    return Uncovered(gaps.append, "AB1234"), gaps


def test_gap_lasts_from_leaving_until_another_socket_is_subscribed() -> None:
    kept, gaps = uncovered()
    kept.lose(frozenset({1, 2}), 1 * US)
    kept.lose(frozenset({2, 3}), 5 * US)
    kept.regain(frozenset({2, 3, 9}), 7 * US)
    assert [(gap.from_us, gap.to_us, gap.instrument_tokens) for gap in gaps] == [
        (1, 7, [2]),
        (5, 7, [3]),
    ]
    assert {gap.cause for gap in gaps} == {"subscription_moved"}
    assert kept.any


def test_what_nobody_wants_any_more_ends_its_gap() -> None:
    kept, gaps = uncovered()
    kept.lose(frozenset({1, 2}), 1 * US)
    kept.forget(frozenset({2}), 3 * US)
    assert [gap.instrument_tokens for gap in gaps] == [[1]]


def test_end_tells_every_gap() -> None:
    kept, gaps = uncovered()
    kept.lose(frozenset({1, 2}), 1 * US)
    kept.end(4 * US)
    assert [gap.instrument_tokens for gap in gaps] == [[1, 2]]
    assert not kept.any
