"""`tickflow subs`: which instruments are wanted, and where they are held."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import click

from shared.ops.outcome import Degraded, NotFound
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.store.wants import WantRow
    from shared.wire.subscriptions import Subscriptions

_SYMBOL: Final = re.compile(r"[A-Z]{2,8}:[^:\s][^:]{0,39}")
_SOURCE: Final = re.compile(r"[a-z0-9_.-]{1,40}")
_FOR: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNIT_US: Final = {"s": 10**6, "m": 60 * 10**6, "h": 3600 * 10**6, "d": 86_400 * 10**6}

_source_option = click.option(
    "--source", default="ops", show_default=True, help="Who wants it; each has its own wants."
)


@click.group()
def command() -> None:
    """Want instruments beside those of ingest's settings; see what is held where.

    Wants are kept in PostgreSQL. Ingest follows them within a moment, without disturbing what it
    holds already.
    """


@command.command()
@click.argument("symbols", nargs=-1, required=True, metavar="EXCHANGE:SYMBOL...")
@click.option("--mode", type=click.Choice(["ltp", "quote", "full"]), default="full")
@click.option("--priority", type=click.IntRange(0, 100), default=50, show_default=True)
@click.option("--reason", default="", help="Why, for whoever reads the list.")
@click.option("--for", "lasts", default="", metavar="8h", help="Until it is over: 30m, 8h, 2d.")
@_source_option
@output_options
@pass_session
def add(session: Session, /, symbols: tuple[str, ...], source: str, **terms: Any) -> None:
    """Want SYMBOLS, e.g. NSE:INFY; where somebody wants one already, its terms are replaced."""
    from shared.ops.reach import run

    _check(symbols, source)
    added, notes = run(_add(session, symbols, source, terms))
    done = {"added": added, "changed": len(set(symbols)) - added}
    _answer(session, done, f"{done['added']} wants added, {done['changed']} changed", notes)


@command.command()
@click.argument("symbols", nargs=-1, metavar="EXCHANGE:SYMBOL...")
@click.option("--all", "everything", is_flag=True, help="Every want of the source.")
@_source_option
@output_options
@pass_session
def remove(session: Session, symbols: tuple[str, ...], source: str, *, everything: bool) -> None:
    """Want SYMBOLS no longer; what others want of them stays."""
    from shared.ops.reach import run

    _check(symbols, source)
    if everything == bool(symbols):
        raise click.UsageError("name symbols, or give --all")
    removed, notes = run(_remove(session, None if everything else symbols, source))
    if not removed:
        raise NotFound(f"{source} wants none of these")
    _answer(session, {"removed": removed}, f"{removed} wants removed", notes)


@command.command("list")
@output_options
@pass_session
def list_wants(session: Session) -> None:
    """List the wants in PostgreSQL; those of ingest's settings are not among them."""
    from shared.ops.reach import run

    rows = run(_wants(session))
    if session.printer.as_json:
        from msgspec import to_builtins

        session.printer.value([to_builtins(row) for row in rows])
    elif rows:
        from shared.ops.tables import table

        headings = ("symbol", "mode", "priority>", "source", "until", "reason")
        session.printer.show(table(headings, map(_cells, rows)))
    else:
        session.printer.note("nothing is wanted beside ingest's settings: tickflow subs add")


@command.command()
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="EXCHANGE:SYMBOL",
    help="What if this were wanted, too? Nothing is changed; may be repeated.",
)
@click.option(
    "--priority", type=click.IntRange(0, 100), default=50, show_default=True, help="Of --add."
)
@output_options
@pass_session
def plan(session: Session, added: tuple[str, ...], priority: int) -> None:
    """Show what each socket holds and is to hold; say what does not fit.

    With --add: what would become of further wants, before anybody has them.
    """
    from shared.ops.reach import run

    _check(added, "ops")
    layouts, names = run(_layouts(session))
    if not layouts:
        raise NotFound("no ingest has told what it holds: tickflow status")
    if added:
        _tell_what_if(session, layouts, added, priority)
        return
    if session.printer.as_json:
        from msgspec import to_builtins

        session.printer.value(to_builtins(layouts))
    else:
        from shared.ops.subs_view import show

        for layout in layouts.values():
            show(session.printer, layout, names, now_us=session.clock.now_ns() // 1_000)
    missing = sum(each.left_out_count + each.unlisted_count for each in layouts.values())
    if missing:
        raise Degraded(f"{missing} wanted instruments are not held")


def _tell_what_if(
    session: Session, layouts: Mapping[str, Subscriptions], added: tuple[str, ...], priority: int
) -> None:
    from shared.ops.reach import run
    from shared.ops.subs_what_if import what_if

    named = run(_named(session))
    tokens = {name: token for token, name in named.items()}
    unknown = [symbol for symbol in added if symbol not in tokens]
    if unknown:
        raise NotFound(f"not listed: {', '.join(unknown)}")
    wanted = [tokens[symbol] for symbol in added]
    told = {}
    for account, layout in layouts.items():
        found = what_if(layout, wanted, priority)
        told[account] = {
            kind: [named.get(token, str(token)) for token in getattr(found, kind)]
            for kind in ("placed", "left_out", "pushed_out", "wanted_already")
        }
    if session.printer.as_json:
        session.printer.value(told)
    else:
        from shared.ops.subs_view import show_what_if

        for account, each in told.items():
            show_what_if(session.printer, layouts[account], each)
    if any(each["left_out"] or each["pushed_out"] for each in told.values()):
        raise Degraded("not everything would fit")


async def _named(session: Session) -> dict[int, str]:
    from shared.ops.reach import reach
    from shared.streams.published import get_instruments

    async with reach(session.settings, "ticks") as redis:
        _, rows = await get_instruments(redis)
    columns = (rows[field].tolist() for field in ("instrument_token", "exchange", "tradingsymbol"))
    return {
        token: f"{exchange.decode()}:{symbol.decode()}"
        for token, exchange, symbol in zip(*columns, strict=True)
    }


def _check(symbols: tuple[str, ...], source: str) -> None:
    for symbol in symbols:
        if not _SYMBOL.fullmatch(symbol):
            raise click.UsageError(f"{symbol!r} is not EXCHANGE:SYMBOL, e.g. NSE:INFY")
    if not _SOURCE.fullmatch(source):
        raise click.UsageError(
            f"--source {source!r} must be 1 to 40 small letters, digits, points, dashes"
        )


def _until(lasts: str, now_us: int) -> int | None:
    if not lasts:
        return None
    found = _FOR.fullmatch(lasts)
    if found is None:
        raise click.UsageError(f"--for {lasts!r} must be a number with s, m, h or d, e.g. 8h")
    return now_us + int(found[1]) * _UNIT_US[found[2]]


async def _add(
    session: Session, symbols: tuple[str, ...], source: str, terms: Mapping[str, Any]
) -> tuple[int, list[str]]:
    from shared.ops.subs_desk import subs_desk
    from shared.store.wants import WantRow

    async with subs_desk(session.settings, session.clock) as desk:
        unchecked = await desk.check(symbols)
        now_us = desk.now_us()
        wants = [
            WantRow(
                source=source,
                symbol=symbol,
                mode=terms["mode"],
                priority=terms["priority"],
                reason=terms["reason"][:200],
                expires_us=_until(terms["lasts"], now_us),
                changed_us=now_us,
            )
            for symbol in dict.fromkeys(symbols)
        ]
        added = await desk.table.put(wants)
        return added, [unchecked, await desk.announce(source)]


async def _remove(
    session: Session, symbols: tuple[str, ...] | None, source: str
) -> tuple[int, list[str]]:
    from shared.ops.subs_desk import subs_desk

    async with subs_desk(session.settings, session.clock) as desk:
        removed = await desk.table.remove(source, symbols)
        return removed, [await desk.announce(source)] if removed else []


async def _wants(session: Session) -> list[WantRow]:
    from shared.ops.subs_desk import subs_desk

    async with subs_desk(session.settings, session.clock) as desk:
        return await desk.table.all(now_us=desk.now_us())


async def _layouts(session: Session) -> tuple[dict[str, Subscriptions], dict[int, str]]:
    from shared.ops.reach import reach
    from shared.streams.published import get_instruments
    from shared.streams.subscriptions import get_subscriptions

    async with reach(session.settings, "ticks") as redis:
        layouts = await get_subscriptions(redis)
        _, rows = await get_instruments(redis)
    left_out = {token for each in layouts.values() for token in each.left_out}
    names = {
        int(row["instrument_token"]): f"{row['exchange'].decode()}:{row['tradingsymbol'].decode()}"
        for row in (rows if left_out else rows[:0])
        if int(row["instrument_token"]) in left_out
    }
    return layouts, names


def _answer(session: Session, done: dict[str, int], text: str, notes: list[str]) -> None:
    told = [note for note in notes if note]
    if session.printer.as_json:
        session.printer.value({**done, "notes": told})
    else:
        session.printer.answer(text)
    if told:
        raise Degraded("; ".join(told))


def _cells(row: WantRow) -> list[str]:
    from shared.ops.account_rows import moment

    until = moment(row.expires_us) if row.expires_us else "removed"
    return [row.symbol, row.mode, str(row.priority), row.source, until, row.reason]
