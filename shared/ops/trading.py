"""`tickflow trading`: what may be sent to the broker."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from shared.store.halting import Outrun
    from shared.store.trading import TradingState, TradingSwitch

F = TypeVar("F", bound=Callable[..., Any])
_NS_PER_US = 1_000
#: Longer than a request to the broker waits for its answer.
OUTRUN_S = 25.0
_NAMED_MAX = 5


def _scope(function: F) -> F:
    for option in (
        output_options,
        click.option("--reason", "sentence", default="", help="Kept beside the switch."),
        click.option("--by", default="operator", show_default=True, help="Who says so."),
        click.option("--strategy", help="One strategy, in every account."),
        click.option("--account", help="One account; without either: everything."),
    ):
        function = option(function)
    return function


@click.group()
def command() -> None:
    """Halt, reduce, resume trading: everything, one account or one strategy.

    The strictest switch that applies to a command wins. Cancels always pass. The executor reads
    the switches in the step that commits an order to be sent. Halting and reducing wait until what
    was committed before has its answer, and say so: then nothing of before can leave any more.
    """


@command.command("state")
@output_options
@pass_session
def show_state(session: Session) -> None:
    """Show every switch that was ever set; what is not shown is ACTIVE."""
    from shared.ops.reach import run
    from shared.ops.switches import line

    switches = run(_read(session))
    for switch in switches:
        if session.printer.as_json:
            session.printer.value(switch)
        else:
            session.printer.text(line(switch))
    if not switches:
        session.printer.note("no switch was ever set: trading is ACTIVE")


#: Whoever knows `tickflow status` types the same word here.
command.add_command(show_state, "status")


@command.command()
@_scope
@pass_session
def halt(session: Session, /, **typed: str | None) -> None:
    """Send nothing but cancels."""
    _set(session, "HALTED", **typed)


@command.command()
@_scope
@pass_session
def reduce(session: Session, /, **typed: str | None) -> None:
    """Send only cancels, and what certainly reduces a position that is known."""
    _set(session, "REDUCING", **typed)


@command.command()
@_scope
@pass_session
def resume(session: Session, /, **typed: str | None) -> None:
    """Send everything again that no other switch holds."""
    _set(session, "ACTIVE", **typed)


def _set(session: Session, state: TradingState, **typed: str | None) -> None:
    import msgspec

    from shared.ops.reach import run
    from shared.ops.switches import line
    from shared.store.trading import TradingSwitch

    account, strategy = typed["account"], typed["strategy"]
    if account is not None and strategy is not None:
        raise click.UsageError("--account and --strategy exclude each other")
    switch = TradingSwitch(
        scope="account" if account else "strategy" if strategy is not None else "global",
        subject=account or strategy or "",
        state=state,
        set_by=typed["by"] or "",
        sentence=typed["sentence"] or "",
        changed_us=session.clock.now_ns() // _NS_PER_US,
    )
    outrun = run(_write(session, switch))
    if session.printer.as_json:
        session.printer.value({**msgspec.structs.asdict(switch), "outrun": outrun})
        return
    session.printer.answer(line(switch))
    if outrun is not None:
        session.printer.note(_outrun_text(outrun))


async def _read(session: Session) -> list[TradingSwitch]:
    from shared.ops.database import database
    from shared.store.trading import get_trading

    async with database(session.settings) as pool:
        return await get_trading(pool)


async def _write(session: Session, switch: TradingSwitch) -> Outrun | None:
    from shared.ops.database import database
    from shared.store.halting import wait_for_outrun
    from shared.store.trading import set_trading

    async with database(session.settings) as pool:
        await set_trading(pool, switch)
        await _tell(session, switch)
        if switch.state == "ACTIVE":
            return None
        return await wait_for_outrun(pool, switch, clock=session.clock, within_s=OUTRUN_S)


async def _tell(session: Session, switch: TradingSwitch) -> None:
    """Hint at the switch where a Redis of ticks can be reached; the table is the truth."""
    from shared.errors import SettingsError, StreamError
    from shared.ops.reach import reach
    from shared.store.trading import hint_of
    from shared.streams.writer import Append, StreamWriter
    from shared.wire.codec import encode
    from shared.wire.topics import CONTROL

    try:
        async with reach(session.settings, "ticks") as redis:
            hint = Append(CONTROL, "", encode(hint_of(switch)))
            await StreamWriter(redis, session.clock).append([hint])
    except (SettingsError, StreamError) as error:
        session.printer.note(f"control.v1 was not told: {error}")


def _outrun_text(outrun: Outrun) -> str:
    """Say what the switch came too late for, and whether it has an answer by now."""
    waited = f"waited {outrun.waited_s:.2f} s"
    if outrun.count is None:
        return f"{waited}: not known whether something of before is still on its way"
    if not outrun.count:
        return f"nothing was on its way ({waited})"
    if not outrun.left:
        return f"{outrun.count} on their way before have their answers ({waited})"
    named = ", ".join(outrun.left[:_NAMED_MAX])
    return (
        f"{waited}: {len(outrun.left)} of {outrun.count} on their way have no answer yet: {named}"
    )
