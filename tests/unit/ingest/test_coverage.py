from __future__ import annotations

import pytest

from ingest.coverage import Coverage
from shared.wire.control import Gap

TOKENS = frozenset({3, 1, 2})


@pytest.fixture
def told() -> list[Gap]:
    return []


@pytest.fixture
def coverage(told: list[Gap]) -> Coverage:
    return Coverage("AB1234", 1, told.append)


def test_loss_is_told_once_when_it_ends(coverage: Coverage, told: list[Gap]) -> None:
    coverage.lose(5_000, TOKENS, "silent")
    assert coverage.lost
    assert told == []
    coverage.regain(9_000)
    coverage.regain(10_000)
    assert told == [
        Gap(
            from_us=5,
            to_us=9,
            account="AB1234",
            socket=1,
            instrument_tokens=[1, 2, 3],
            cause="silent",
        )
    ]


def test_loss_that_goes_on_keeps_its_beginning_and_its_first_cause(coverage, told) -> None:
    coverage.lose(5_000, TOKENS, "silent")
    coverage.lose(7_000, frozenset({9}), "disconnected")
    coverage.regain(9_000)
    assert (told[0].from_us, told[0].cause) == (5, "silent")
    assert told[0].instrument_tokens == [1, 2, 3]


def test_dead_token_is_why_a_loss_lasts(coverage, told) -> None:
    coverage.lose(5_000, TOKENS, "disconnected")
    coverage.lose(6_000, TOKENS, "token_expired")
    coverage.regain(9_000)
    assert told[0].cause == "token_expired"


def test_socket_without_instruments_has_nothing_to_lose(coverage, told) -> None:
    coverage.lose(5_000, frozenset(), "disconnected")
    coverage.regain(9_000)
    assert told == []
