"""What every command that is sent to the executor shares: its flags, its draft, its watching."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from shared.ops.outcome import ExitCode
from shared.ops.session import Session, output_options
from shared.wire import orders as wire

if TYPE_CHECKING:
    from shared.ops.answers import Until

F = TypeVar("F", bound=Callable[..., Any])

#: A command nobody took for so long is not what the operator wants any more, in seconds.
VALID_FOR_S = 60.0


@dataclass(frozen=True, slots=True)
class Wait:
    """How long to watch what becomes of a command, for what."""

    seconds: float
    until: Until


class _Word(click.Choice[str]):
    """One of a field's words, typed in capitals or not."""

    def normalize_choice(self, choice: str, ctx: click.Context | None) -> str:
        """Return what is compared, what the help shows."""
        del ctx
        return choice.upper()


def choice(literal: Any) -> click.Choice[str]:
    """Return the words of a Literal, typed in capitals or not."""
    return _Word([str(each) for each in get_args(literal)])


def options(*given: Callable[[F], F]) -> Callable[[F], F]:
    """Return all of these as one decorator."""

    def decorate(function: F) -> F:
        for option in reversed(given):
            function = option(function)
        return function

    return decorate


account_option = click.option("--account", help="Otherwise TICKFLOW_ACCOUNT__ID.")
sending_options = options(
    account_option,
    click.option("--command-id", help="Unique for ever; otherwise a new UUIDv7."),
    click.option("--strategy", "strategy_id", help="Whose order it is."),
    click.option(
        "--valid-for",
        "valid_for_s",
        type=click.FloatRange(1, 86_400),
        metavar="S",
        help="Not sent later than this after the moment its id tells, else after now; "
        f"{VALID_FOR_S:g} for a placement or a change whose id tells one.",
    ),
    click.option(
        "--wait",
        "wait_s",
        type=click.FloatRange(0, 3600),
        default=0.0,
        metavar="S",
        help="Print what becomes of it, at most so long; sent again until it is received.",
    ),
    click.option(
        "--until",
        type=click.Choice(["received", "accepted", "final"]),
        default="accepted",
        show_default=True,
        help="What --wait waits for: the journal, the broker, the end.",
    ),
    output_options,
)


def drafted(session: Session, kind: type[_Kind], typed: dict[str, Any]) -> tuple[_Kind, Wait, str]:
    """Return the command that was typed, how long to watch it, its account."""
    from shared.ops.drafts import draft, made_at_ns, new_command_id, valid_until_us

    now_ns = session.clock.now_ns()
    wait = Wait(typed.pop("wait_s"), typed.pop("until"))
    account = account_named(session, typed.pop("account"))
    command_id = typed["command_id"] or new_command_id(now_ns, secrets.token_bytes(10))
    told_ns = made_at_ns(command_id)
    valid_for_s = typed.pop("valid_for_s")
    if valid_for_s is None and told_ns is not None and kind is not wire.Cancel:
        valid_for_s = VALID_FOR_S
    # From the id's own moment: typed again with the same id, it is the same command to the byte.
    typed["valid_until_us"] = valid_until_us(told_ns or now_ns, valid_for_s)
    typed["command_id"] = command_id
    return draft(kind, typed), wait, account


_Kind = TypeVar("_Kind", bound=wire.Command)


def account_named(session: Session, named: str | None) -> str:
    """Return the account that was named, or that of the settings."""
    from shared.ops.settings import account_of

    return account_of(session.settings, named)


def send_command(session: Session, account: str, command: wire.Command, wait: Wait) -> None:
    """Send a command, print what becomes of it, leave with what that means."""
    from shared.ops.reach import run

    code = run(_send_and_watch(session, account, command, wait))
    click.get_current_context().exit(code)


async def _send_and_watch(
    session: Session, account: str, command: wire.Command, wait: Wait
) -> ExitCode:
    from shared.ops.answers import line, outcome
    from shared.ops.desk import Desk
    from shared.ops.reach import reach
    from shared.ops.tail import Deadline

    printer, command_id = session.printer, command.command_id
    async with reach(session.settings, "orders") as redis:
        desk = Desk(redis, account, session.clock)
        after = await desk.newest()
        # Before it is sent: whatever happens now, the operator can ask what became of it.
        if printer.as_json:
            printer.value({"command_id": command_id, "account": account})
        else:
            printer.text(command_id)
        await desk.send(command)
        if not wait.seconds:
            printer.note(f"sent; see what becomes of it: tickflow orders show {command_id}")
            return ExitCode.OK
        deadline = Deadline(session.clock, wait.seconds)
        async for event in desk.follow(command, after, deadline):
            if printer.as_json:
                printer.value(event)
            else:
                printer.text(line(event))
            if (code := outcome(event, wait.until)) is not None:
                return code
    printer.note(f"not {wait.until} within {wait.seconds:g} s: tickflow orders show {command_id}")
    return ExitCode.DEGRADED
