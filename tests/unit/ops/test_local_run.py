"""Finding the pipeline that runs on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from shared.ops import local_run

TEXT = "# Read it with: set -a; . <this file>; set +a\nTICKFLOW_ACCOUNT__ID='SB0001'\n"


def state_of(directory: Path, pid: str) -> Path:
    (directory / "owner.lock").write_text(pid)
    (directory / "operator.env").write_text(TEXT)
    return directory


def test_live_run_gives_its_operator_settings(tmp_path: Path) -> None:
    state = state_of(tmp_path, str(os.getpid()))
    assert local_run.operator_environment(state) == {"TICKFLOW_ACCOUNT__ID": "SB0001"}


@pytest.mark.parametrize("pid", ["", "soon", "999999999", "9" * 40])
def test_run_that_ended_gives_nothing(tmp_path: Path, pid: str) -> None:
    assert local_run.operator_environment(state_of(tmp_path, pid)) == {}


def test_directory_without_a_run_gives_nothing(tmp_path: Path) -> None:
    assert local_run.operator_environment(tmp_path) == {}


def test_run_that_did_not_write_its_settings_yet_gives_nothing(tmp_path: Path) -> None:
    (tmp_path / "owner.lock").write_text(str(os.getpid()))
    assert local_run.operator_environment(tmp_path) == {}


def test_parse_reads_quoted_values_as_a_shell_does() -> None:
    assert local_run.parse("A='x y'\nnot a setting\nB=2 # why\n") == {"A": "x y", "B": "2"}


def test_beneath_lets_the_environment_decide_in_either_form() -> None:
    found = {"A_FILE": "/found", "B": "found", "C": "found"}
    assert local_run.beneath({"A": "given", "B_FILE": "/given"}, found) == {
        "A": "given",
        "B_FILE": "/given",
        "C": "found",
    }


def test_state_directory_is_the_checkouts_unless_it_is_named() -> None:
    assert local_run.state_directory({}) == local_run.ROOT / ".tickflow"
    assert local_run.state_directory({"TICKFLOW_LOCAL__STATE_DIR": "/x"}) == Path("/x")
