"""The command tree: names first, their code only when one is called."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, TextIO, cast

import click
from click.utils import PacifyFlushWrapper

from shared.errors import PipelineError, SettingsError
from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options

#: Name of a command: its module in this room, what it does. Every module calls it `command`.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("up", "Run the whole pipeline on this machine."),
    "status": ("status", "Say whether everything runs: workers, servers, lags, leases."),
    "ticks": ("ticks", "Watch enriched ticks."),
    "chain": ("chain", "Show an option chain with implied volatility and Greeks."),
    "orders": ("orders", "Place, change, cancel orders; see what became of them."),
    "gtt": ("gtt", "Place, change, delete good-till-triggered orders."),
    "query": ("query", "Read orders, positions, quotes, candles through the executor."),
    "trading": ("trading", "Halt, reduce, resume trading."),
    "dlq": ("dlq", "Look at what was given up; play it back or throw it away."),
    "accounts": ("accounts", "Add, list, switch accounts; keep their credentials encrypted."),
    "session": ("account_session", "Log an account in for the day."),
    "subs": ("subs", "Say which instruments are wanted; show where they are held."),
    "streams": ("streams", "Look into the streams."),
    "calendar": ("calendar", "Show when a segment trades, and who says so."),
    "record": ("record", "Record raw ticks onto tapes."),
    "tapes": ("tapes", "Look into tapes; check them."),
    "replay": ("replay", "Play tapes back into raw streams."),
    "backfill": ("backfill", "Fetch past candles, price past options, into PostgreSQL."),
    "config": ("config", "Look at the settings of a program."),
    "healthcheck": ("healthcheck", "Ask one worker whether it is ready."),
}

#: Problems of settings say themselves whose settings they are.
_NAMED = re.compile(r"(tickflow|ingest|enrich|executor|publisher): ")


class Root(click.Group):
    """Finds commands by name; turns every expected error into a sentence with an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the module of a command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"shared.ops.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the table of commands without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, about) for name, (_, about) in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command until it ends, or until nobody reads its output any more."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Whoever read has seen enough: `tickflow ticks tail | head`. What is left unwritten
            # would fail once more when the interpreter flushes it at its end.
            sys.stdout = cast("TextIO", PacifyFlushWrapper(sys.stdout))
            return ExitCode.OK

    def main(self, args: Sequence[str] | None = None, *rest: Any, **extra: Any) -> NoReturn:
        """Run a command, then leave the process with its exit code."""
        words = list(sys.argv[1:] if args is None else args)
        sys.exit(self._run(words, *rest, **extra))

    def _run(self, words: list[str], *rest: Any, **extra: Any) -> int:
        as_json = "--json" in words
        extra["standalone_mode"] = False
        try:
            left = super().main(words, *rest, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            click.echo(error.format_message(), err=True)
            return ExitCode.USAGE
        except click.UsageError as error:
            return _tell(error.format_message(), ExitCode.USAGE, as_json=as_json, usage=error.ctx)
        except click.ClickException as error:
            return _tell(error.format_message(), error.exit_code, as_json=as_json)
        except (click.Abort, KeyboardInterrupt):
            return _tell("interrupted", ExitCode.FAILURE, as_json=as_json)
        except (PipelineError, OSError, BaseExceptionGroup) as error:
            sentence, code = _judge(error)
            return _tell(sentence, code, as_json=as_json)
        # Outside of its standalone mode click returns the code of `ctx.exit`.
        return left if isinstance(left, int) else ExitCode.OK


def _judge(error: BaseException) -> tuple[str, ExitCode]:
    causes = list(_causes(error))
    bugs = [each for each in causes if not isinstance(each, PipelineError | OSError)]
    if bugs:
        raise bugs[0]
    is_settings = any(isinstance(each, SettingsError) for each in causes)
    sentence = "; ".join(dict.fromkeys(str(each) for each in causes))
    return sentence, ExitCode.USAGE if is_settings else ExitCode.FAILURE


def _causes(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _causes(inner)
    else:
        yield error


def _tell(sentence: str, code: int, *, as_json: bool, usage: click.Context | None = None) -> int:
    if as_json:
        import msgspec

        problem = {"error": ExitCode(code).name.lower(), "message": sentence}
        click.echo(msgspec.json.encode(problem).decode(), err=True)
        return code
    for line in sentence.splitlines():
        click.echo(line if _NAMED.match(line) else f"tickflow: {line}", err=True)
    if usage is not None:
        click.echo(f"Try '{usage.command_path} --help'.", err=True)
    return code


def _version(context: click.Context, _parameter: click.Parameter, asked: bool) -> None:
    if asked and not context.resilient_parsing:
        from shared.runtime.arguments import version

        click.echo(f"tickflow {version()}")
        context.exit()


@click.group(cls=Root, name="tickflow", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of settings, instead of the one TICKFLOW_CONFIG names.",
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version.",
)
@output_options
@click.pass_context
def cli(context: click.Context, config: Path | None) -> None:
    """Run the pipeline, look at it, trade through it.

    Without settings the pipeline that `tickflow up` runs on this machine is meant.
    Exit codes: 0 ok, 1 failure, 2 usage, 3 degraded, 4 not found.
    """
    context.ensure_object(Session).config = config
