"""`tickflow backfill`: past candles and their Greeks into PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.ops.settings import OpsSettings

_IST = timezone(timedelta(hours=5, minutes=30))
_DAY = click.DateTime(["%Y-%m-%d"])
_MODULE = "enrich.backfill"
#: Failures named at the end; the others are counted.
_NAMED_MAX = 10
#: Said beside what is being done: it may look as if nothing were.
_FIRST = {"pricing": " (the first time after an update compiles, for a minute or so)"}
_CODES = {0: ExitCode.OK, 2: ExitCode.USAGE, 3: ExitCode.DEGRADED}


@click.command()
@click.argument("names", nargs=-1, metavar="[EXCHANGE:SYMBOL]...")
@click.option("--underlying", help="Every future and option of its one expiry, such as NIFTY.")
@click.option("--expiry", type=_DAY, metavar="YYYY-MM-DD", help="Otherwise the nearest listed.")
@click.option("--strike-from", type=float, help="Lowest strike, with --underlying.")
@click.option("--strike-to", type=float, help="Highest strike, with --underlying.")
@click.option(
    "--interval",
    default="minute",
    show_default=True,
    help="As Kite names it: minute, 5minute, day.",
)
@click.option("--from", "first", type=_DAY, required=True, metavar="YYYY-MM-DD")
@click.option("--to", "last", type=_DAY, metavar="YYYY-MM-DD", help="Otherwise today.")
@click.option("--continuous", is_flag=True, help="Day candles of futures, across expiries.")
@click.option("--greeks/--no-greeks", default=True, help="Greeks of option candles.")
@click.option("--account", help="Otherwise TICKFLOW_ACCOUNT__ID.")
@output_options
@click.pass_context
@pass_session
def command(session: Session, context: click.Context, /, **typed: Any) -> None:
    """Fetch past candles of what is named, as far as they are missing, and price options.

    Goes through the executor, within Kite's rates. Stopped or killed, the next start goes on where
    it was. Exit 3 where some could not be fetched.
    """
    from shared.ops.settings import account_of

    account = account_of(session.settings, typed.pop("account"))
    words = arguments(account, typed, today=_today(session))
    context.exit(_run(session, words))


def arguments(account: str, typed: Mapping[str, Any], *, today: str) -> list[str]:
    """Return the command line of the child, without the interpreter."""
    last = typed["last"].strftime("%Y-%m-%d") if typed["last"] else today
    words = ["--account", account, "--interval", typed["interval"]]
    words += ["--from", typed["first"].strftime("%Y-%m-%d"), "--to", last]
    if typed["underlying"]:
        words += ["--underlying", typed["underlying"]]
    if typed["expiry"]:
        words += ["--expiry", typed["expiry"].strftime("%Y-%m-%d")]
    for name in ("strike_from", "strike_to"):
        if typed[name] is not None:
            words += [f"--{name.replace('_', '-')}", str(typed[name])]
    words += ["--continuous"] if typed["continuous"] else []
    words += [] if typed["greeks"] else ["--no-greeks"]
    return [*words, "--exit-with-parent", str(os.getpid()), "--", *typed["names"]]


def environment(environ: Mapping[str, str], settings: OpsSettings) -> dict[str, str]:
    """Return the child's environment: where things are, and the live workers' prices' parameters.

    Raises:
        SettingsError: nobody named a Redis or a PostgreSQL.
    """
    from shared.errors import SettingsError
    from shared.ops.local_run import ROOT
    from shared.ops.reach import url_of

    if not settings.postgres.url:
        raise SettingsError("no PostgreSQL: set TICKFLOW_POSTGRES__URL; candles are kept in it")
    orders = url_of(settings, "orders").reveal()
    ticks = settings.redis.ticks_url.reveal() or orders
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("TICKFLOW_") or name.startswith("TICKFLOW_ENRICH__")
    }
    paths = [str(ROOT), *filter(None, [environ.get("PYTHONPATH")])]
    return kept | {
        "TICKFLOW_REDIS__TICKS_URL": ticks,
        "TICKFLOW_REDIS__ORDERS_URL": orders,
        "TICKFLOW_POSTGRES__URL": settings.postgres.url.reveal(),
        "PYTHONPATH": os.pathsep.join(paths),
    }


def _run(session: Session, words: list[str]) -> ExitCode:
    command_line = [sys.executable, "-P", "-m", _MODULE, *words]
    environ = environment(session.environ, session.settings)
    with subprocess.Popen(  # noqa: S603  # our own program
        command_line, env=environ, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        last = _follow(session, child.stdout)
        code = _CODES.get(child.wait(), ExitCode.FAILURE)
    if last is not None and last.get("ended"):
        _report(session, last)
    return code


def _follow(session: Session, lines: Iterable[str]) -> dict[str, Any] | None:
    """Show how far the child is; return the last it said."""
    import msgspec

    from shared.ops.progress import Figures, progress

    told: dict[str, Any] | None = None
    now = ""
    with progress(session.printer, session.clock, "backfill", 1.0) as shown:
        for line in lines:
            told = msgspec.json.decode(line, type=dict[str, Any])
            if told["now"] != now:
                now = told["now"]
                session.printer.note(f"{now}{_FIRST.get(now, '')} ...")
            share = told["done"] / told["total"] if told["total"] else 1.0
            words = f"{told['done']:,}/{told['total']:,} ranges, {told['candles']:,} candles"
            shown(Figures(share, 0, 0, f"{words}, {told['priced']:,} priced"))
    return told


def _report(session: Session, told: Mapping[str, Any]) -> None:
    printer = session.printer
    if printer.as_json:
        printer.value(told)
        return
    printer.answer(
        f"{told['candles']:,} candles in {told['requests']:,} requests, "
        f"{told['priced']:,} priced, {told['solved']:,} with a volatility"
    )
    failures = list(told["failures"].items())
    for name, reason in failures[:_NAMED_MAX]:
        printer.note(f"{name}: {reason}")
    if len(failures) > _NAMED_MAX:
        printer.note(f"and {len(failures) - _NAMED_MAX} more")


def _today(session: Session) -> str:
    now = datetime.fromtimestamp(session.clock.now_ns() / 1e9, tz=UTC)
    return now.astimezone(_IST).strftime("%Y-%m-%d")
