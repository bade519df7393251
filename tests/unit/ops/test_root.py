"""The command tree, its errors, its exit codes."""

from __future__ import annotations

import json
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from shared.errors import LocalError, SettingsError, StreamError
from shared.ops.__main__ import _one_sentence
from shared.ops.outcome import Degraded, NotFound
from shared.ops.root import COMMANDS, Root


class Failing(Root):
    def __init__(self, error: BaseException) -> None:
        super().__init__(name="tickflow")
        self._error = error

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command:
        del ctx
        as_json = click.Option(["--json"], is_flag=True, expose_value=False)
        return click.Command(cmd_name, callback=self._fail, params=[as_json])

    def _fail(self) -> None:
        raise self._error


def test_help_names_every_command(run) -> None:
    result = run("--help")
    assert result.exit_code == 0
    assert all(name in result.stdout for name in COMMANDS)


def test_help_imports_neither_numbers_nor_vendors() -> None:
    probe = (
        "import sys\n"
        "from shared.ops.root import cli\n"
        "try: cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        "heavy = {'numpy', 'numba', 'redis', 'rich', 'aiohttp', 'asyncpg', 'msgspec'}\n"
        "print(*heavy & set(sys.modules), file=sys.stderr, end='')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_of_its_own(run, name: str) -> None:
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"tickflow {name}" in result.stdout


def test_no_command_shows_the_help_as_a_usage_error(run) -> None:
    result = run()
    assert result.exit_code == 2
    assert "Commands:" in result.stderr


def test_unknown_command_is_a_usage_error_in_one_sentence(run) -> None:
    result = run("nix")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == "tickflow: No such command 'nix'."
    assert result.stdout == ""


def test_unknown_command_with_json_is_a_json_error(run) -> None:
    result = run("--json", "nix")
    assert result.exit_code == 2
    assert json.loads(result.stderr) == {"error": "usage", "message": "No such command 'nix'."}


@pytest.mark.parametrize(
    ("error", "code", "name"),
    [
        (LocalError("no"), 1, "failure"),
        (StreamError("no"), 1, "failure"),
        (PermissionError("no"), 1, "failure"),
        (SettingsError("no"), 2, "usage"),
        (click.UsageError("no"), 2, "usage"),
        (Degraded("no"), 3, "degraded"),
        (NotFound("no"), 4, "not_found"),
        (BaseExceptionGroup("of a task group", [StreamError("no")]), 1, "failure"),
    ],
)
def test_expected_error_becomes_a_sentence_with_its_exit_code(
    error: BaseException, code: int, name: str
) -> None:
    plain = CliRunner().invoke(Failing(error), ["status"])
    assert (plain.exit_code, plain.stderr.splitlines()[0]) == (code, "tickflow: no")
    as_json = CliRunner().invoke(Failing(error), ["status", "--json"])
    assert as_json.exit_code == code
    assert json.loads(as_json.stderr) == {"error": name, "message": "no"}


def test_bug_is_not_mistaken_for_an_expected_error() -> None:
    result = CliRunner().invoke(Failing(KeyError("bug")), ["status"])
    assert isinstance(result.exception, KeyError)


def test_reader_that_went_away_is_no_failure() -> None:
    assert CliRunner().invoke(Failing(BrokenPipeError()), ["status"]).exit_code == 0


def test_bug_is_told_in_one_line(capsys) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        _ = 1 / 0
    _one_sentence(ZeroDivisionError, caught.value, caught.tb)
    said = capsys.readouterr().err
    assert said.startswith("tickflow: a bug: ZeroDivisionError: division by zero at ")
    assert said.count("\n") == 1


def test_version_is_printed(run) -> None:
    result = run("--version")
    assert (result.exit_code, result.stdout.split()[0]) == (0, "tickflow")
