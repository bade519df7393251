"""What people type about tapes, and what they are shown."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from shared.clock import ManualClock
from shared.ops.printing import Printer
from shared.ops.progress import LINE_EVERY_S, Figures, progress
from shared.ops.replay import parse_speed
from shared.ops.shard_list import parse_shards
from shared.ops.tape_time import parse_from
from shared.wire.segments import segment
from tests.support.tapes import block_of, tape_of

NS = 10**9
#: 24 November 2026, 09:15 and 15:30 in India.
FIRST_NS = int(datetime(2026, 11, 24, 3, 45, tzinfo=UTC).timestamp()) * NS
LAST_NS = FIRST_NS + (6 * 3600 + 15 * 60) * NS


@pytest.mark.parametrize(
    ("text", "shards"), [("", ()), ("3", (3,)), ("0,2-4", (0, 2, 3, 4)), ("4, 4,1", (1, 4))]
)
def test_shards_are_numbers_and_ranges(text: str, shards: tuple[int, ...]) -> None:
    assert parse_shards(text, 9) == shards


@pytest.mark.parametrize("text", ["x", "3-1", "10", "1-", "-1", "0-9999"])
def test_shards_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="--shards"):
        parse_shards(text, 9)


@pytest.mark.parametrize(("text", "speed"), [("1", 1.0), ("10x", 10.0), (".5", 0.5), ("max", None)])
def test_speed_is_a_number_or_max(text: str, speed: float | None) -> None:
    assert parse_speed(text) == speed


@pytest.mark.parametrize("text", ["0", "-1", "fast", "nan", "inf", ""])
def test_speed_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="--speed is"):
        parse_speed(text)


@pytest.mark.parametrize(
    ("text", "after_s"),
    [
        ("09:15", 0),
        ("10:15:00.5", 3600.5),
        ("2026-11-24T09:45", 1800),
        ("2026-11-24T04:45:00+00:00", 3600),
        ("2026-11-24T04:45:00Z", 3600),
    ],
)
def test_time_of_day_is_in_india_on_the_day_of_the_tape(text: str, after_s: float) -> None:
    assert parse_from(text, FIRST_NS, LAST_NS) == FIRST_NS + round(after_s * NS)


@pytest.mark.parametrize("text", ["noon", "25:00", "15:31", "2027-01-01T00:00"])
def test_time_that_is_none_or_behind_the_end_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="--from"):
        parse_from(text, FIRST_NS, LAST_NS)


def test_progress_without_a_terminal_is_a_line_now_and_then(capsys) -> None:
    clock = ManualClock()
    with progress(Printer(), clock, "replaying", 100.0) as show:
        show(Figures(10.0, 1_000, 2_048))
        clock.advance(LINE_EVERY_S)
        show(Figures(50.0, 5_000, 4_096, "1.0 s late"))
        show(Figures(60.0, 6_000, 4_096))
    assert capsys.readouterr().err == "replaying 50%: 5,000 packets, 4.0 KiB, 1.0 s late\n"


@pytest.mark.parametrize("printer", [Printer(as_json=True), Printer(is_quiet=True)])
def test_progress_is_silent_in_json_and_when_quiet(capsys, printer: Printer) -> None:
    clock = ManualClock()
    with progress(printer, clock, "replaying", None) as show:
        clock.advance(LINE_EVERY_S)
        show(Figures(1.0, 1, 1))
    assert capsys.readouterr() == ("", "")


def test_info_shows_a_tape_and_verify_its_damage(run, tmp_path: Path) -> None:
    path = tmp_path / "one.tape"
    body = tape_of([block_of(segment(FIRST_NS, b"\0\1\0\4abcd"))])
    path.write_bytes(body)
    shown = run("tapes", "info", str(path))
    assert shown.exit_code == 0
    assert "2026-11-24 09:15:00" in shown.stdout
    assert run("tapes", "verify", str(path)).exit_code == 0
    path.write_bytes(body[:-1])
    damaged = run("tapes", "verify", str(path))
    assert damaged.exit_code == 3
    assert f"{path}: byte " in damaged.stdout
    path.write_bytes(b"nothing of ours")
    refused = run("tapes", "info", str(path))
    assert (refused.exit_code, refused.stderr) == (
        1,
        f"tickflow: {path}: no tape: the file does not begin as one\n",
    )
