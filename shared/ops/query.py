"""`tickflow query`: reads of Zerodha through the executor."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any, cast

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.wire.queries import Query, Reply

#: What a refusal ends the command with; every other code is a failure.
_DEGRADED = frozenset({"busy", "rate_limited", "deadline_passed", "broker_unavailable"})
_NOT_FOUND_STATUS = "404"


@click.command()
@click.argument("kind")
@click.argument("fields", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--account", help="Otherwise TICKFLOW_ACCOUNT__ID.")
@click.option(
    "--timeout", "timeout_s", type=click.FloatRange(0.1, 60), default=10.0, show_default=True,
    metavar="S", help="How long to wait for the answer.",
)  # fmt: skip
@output_options
@click.pass_context
@pass_session
def command(  # one a typed word
    session: Session,
    context: click.Context,
    kind: str,
    fields: tuple[str, ...],
    account: str | None,
    timeout_s: float,
) -> None:
    """Ask the executor to read KIND, such as positions, quote, candles; `list` shows all kinds.

    Values are text, or JSON; a list may be written with commas: quote
    instruments=NSE:INFY,NSE:TCS. Exit 3 where asking later may help, 4 where Kite knows no such
    thing.
    """
    from shared.ops.query_view import kinds_table
    from shared.ops.reach import run
    from shared.ops.settings import account_of

    if kind == "list":
        session.printer.show(kinds_table())
        return
    query = query_of(kind, fields)
    reply = run(_ask(session, account_of(session.settings, account), query, timeout_s))
    context.exit(_tell(session, reply, timeout_s))


def query_of(kind: str, fields: tuple[str, ...]) -> Query:
    """Return the query that was typed.

    Raises:
        UsageError: no such kind, or a field that it has not or may not have so.
    """
    import msgspec

    from shared.wire.queries import KINDS

    made = KINDS.get(kind.replace("-", "_"))
    if made is None:
        raise click.UsageError(f"kind is {kind!r}; it must be one of {', '.join(KINDS)}, or list")
    typed: dict[str, Any] = {"query_id": "-", "client": "ops"}
    lists = {each.name for each in msgspec.structs.fields(made) if "tuple" in str(each.type)}
    for field in fields:
        name, equals, text = field.partition("=")
        if not equals:
            raise click.UsageError(f"{field!r} must be FIELD=VALUE")
        typed[name] = _value(text, is_list=name in lists)
    try:
        query: Any = msgspec.convert(typed, made, strict=False)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"{kind}: {error}") from error
    return cast("Query", query)


def _value(text: str, *, is_list: bool) -> Any:
    import msgspec

    if is_list and not text.startswith("["):
        return text.split(",")
    if text.startswith(("[", "{")):
        try:
            return msgspec.json.decode(text)
        except msgspec.DecodeError as error:
            raise click.UsageError(f"{text!r} is not JSON: {error}") from error
    return text


async def _ask(session: Session, account: str, query: Query, timeout_s: float) -> Reply | None:
    from shared.ops.reach import reach
    from shared.streams.asking import asking

    client = f"ops-{secrets.token_hex(6)}"
    async with (
        reach(session.settings, "orders") as redis,
        asking(redis, session.clock, client) as asker,
    ):
        return await asker.ask(account, query, timeout_s)


def _tell(session: Session, reply: Reply | None, timeout_s: float) -> ExitCode:
    from shared.ops.query_view import show

    if reply is None:
        session.printer.note(f"nobody answered within {timeout_s:g} s: does the executor run?")
        return ExitCode.DEGRADED
    if session.printer.as_json:
        session.printer.value(reply)
    elif reply.error is None:
        show(session.printer, reply, session.clock.now_ns())
    if reply.error is None:
        return ExitCode.OK
    session.printer.note(f"{reply.error.code}: {reply.error.sentence}")
    if reply.error.code in _DEGRADED:
        return ExitCode.DEGRADED
    is_missing = reply.error.measured.endswith(_NOT_FOUND_STATUS)
    return ExitCode.NOT_FOUND if is_missing else ExitCode.FAILURE
