"""Handing over to the local run."""

from __future__ import annotations

import sys

from shared.ops.local_run import ROOT
from shared.ops.up import arguments, environment

BEGIN = [sys.executable, "-P", "-m", "deploy.local", "up"]


def test_arguments_pass_on_only_what_was_asked_for() -> None:
    assert arguments(None, None, shows_view=True) == BEGIN
    assert arguments(30.0, 7, shows_view=False) == [
        *BEGIN,
        *("--duration", "30", "--seed", "7", "--no-view"),
    ]


def test_environment_finds_the_checkout_first() -> None:
    assert environment({"A": "1"}) == {"A": "1", "PYTHONPATH": str(ROOT)}
    assert environment({"PYTHONPATH": "/x"})["PYTHONPATH"] == f"{ROOT}:/x"


def test_duration_below_a_second_is_a_usage_error(run) -> None:
    assert run("up", "--duration", "0").exit_code == 2
