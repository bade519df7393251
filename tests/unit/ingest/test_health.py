from __future__ import annotations

import pytest

from ingest.health import THROTTLED_MAX, Health, Symptoms

WELL = Symptoms(["connected"])


def judged(health: Health, symptoms: Symptoms, now_s: float) -> str:
    health.judge(symptoms, now_s=now_s, well_after_s=30.0)
    return health.failed


@pytest.mark.parametrize("states", [[], ["connecting"], ["lost", "silent"], ["unreachable"]])
def test_network_troubles_are_no_fault_of_the_account(states: list[str]) -> None:
    assert not judged(Health(), Symptoms(states), 0.0)


def test_dead_token_fails_the_account() -> None:
    assert "token" in judged(Health(), Symptoms(["connected", "token_dead"]), 0.0)


def test_single_refusal_with_429_is_borne_but_not_a_storm() -> None:
    assert not judged(Health(), Symptoms(["throttled"], 1), 0.0)
    assert "429" in judged(Health(), Symptoms(["throttled"], THROTTLED_MAX), 0.0)


def test_account_is_well_again_after_its_time_without_a_relapse() -> None:
    health = Health()
    assert judged(health, Symptoms(["token_dead"]), 0.0)
    assert judged(health, Symptoms(["connecting"]), 10.0)
    assert judged(health, WELL, 20.0)
    assert judged(health, Symptoms(["lost"]), 40.0)
    assert judged(health, WELL, 45.0)
    assert judged(health, WELL, 74.0)
    assert not judged(health, WELL, 75.0)
