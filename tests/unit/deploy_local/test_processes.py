"""What a child process is known by."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from deploy.local.processes import (
    LOG_BYTES_MAX,
    LOG_TAIL_LINES_MAX,
    Identity,
    Launch,
    bound_log,
    spawn,
    started_ticks,
    tail,
)
from shared.errors import LocalError


def test_this_process_is_alive_under_its_own_start_time_only() -> None:
    ticks = started_ticks(os.getpid())
    assert ticks is not None
    assert Identity("me", os.getpid(), ticks).alive
    assert not Identity("somebody before", os.getpid(), ticks - 1).alive


def test_a_pid_nobody_has_was_never_started() -> None:
    assert started_ticks(2**22 + 1) is None


def test_tail_returns_the_last_lines_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("".join(f"line {number}\n" for number in range(1000)))
    lines = tail(log).splitlines()
    assert len(lines) == LOG_TAIL_LINES_MAX
    assert lines[-1] == "line 999"


def test_tail_of_no_log_is_empty(tmp_path: Path) -> None:
    assert tail(tmp_path / "none.log") == ""


def test_a_log_that_outgrew_its_bound_begins_anew_with_the_old_part_kept(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    with log.open("ab") as writer:
        writer.truncate(LOG_BYTES_MAX + 1)
        bound_log(log)
        writer.write(b"after")
    assert log.read_bytes() == b"after"
    assert (tmp_path / "x.log.1").stat().st_size == LOG_BYTES_MAX + 1


def test_a_log_within_its_bound_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "x.log"
    log.write_text("short")
    bound_log(log)
    bound_log(tmp_path / "none.log")
    assert [each.name for each in tmp_path.iterdir()] == ["x.log"]


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    launch = Launch(
        name="ghost",
        argv=(str(tmp_path / "ghost"),),
        log=tmp_path / "ghost.log",
        environment={},
        directory=tmp_path,
    )
    with pytest.raises(LocalError, match=r"ghost .* did not start"):
        spawn(launch)
