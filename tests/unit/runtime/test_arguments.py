"""The flags every worker understands."""

from __future__ import annotations

import pathlib

import pytest

from shared.runtime.arguments import Flags, parse


def test_flags_none_given_ask_for_nothing() -> None:
    assert parse("ingest", []) == Flags()


def test_flags_all_given_are_read() -> None:
    given = ["--config", "a.toml", "--set", "a.b=c=d", "--set", "x=", "--check"]
    assert parse("ingest", given) == Flags(
        config=pathlib.Path("a.toml"), overrides={"a.b": "c=d", "x": ""}, check=True
    )


def test_flag_set_twice_for_one_setting_keeps_the_last() -> None:
    assert parse("ingest", ["--set", "a=1", "--set", "a=2"]).overrides == {"a": "2"}


@pytest.mark.parametrize(
    ("flags", "pid"), [(["--exit-with-parent"], 0), (["--exit-with-parent", "7"], 7)]
)
def test_flag_exit_with_parent_takes_a_pid_or_none(flags: list[str], pid: int) -> None:
    read = parse("ingest", flags)
    assert (read.exit_with_parent, read.parent_pid) == (True, pid)


@pytest.mark.parametrize("text", ["a.b", "=c"])
def test_flag_set_without_a_name_and_a_value_leaves_with_2(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        parse("ingest", ["--set", text])
    assert caught.value.code == 2
    assert "needs the form section.field=value" in capsys.readouterr().err
