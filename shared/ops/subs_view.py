"""What an ingest holds, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shared.ops.printing import Printer
from shared.ops.tables import age, table
from shared.wire.subscriptions import SocketUse, Subscriptions

#: Left-out instruments that a person wants to read at a time; --json has more.
SHOWN_MAX: Final = 20
_WHAT_IF: Final = {
    "placed": "would be held:",
    "wanted_already": "wanted already:",
    "left_out": "no room for",
    "pushed_out": "would lose their place:",
}
_HEADINGS: Final = ("account", "socket>", "state", "holds>", "planned>", "modes")


def show(printer: Printer, layout: Subscriptions, names: Mapping[int, str], *, now_us: int) -> None:
    """Print the sockets of an ingest, then what does not fit."""
    told = age(max(0.0, (now_us - layout.at_us) / 1e6))
    title = f"ingest {layout.by}, {told} ago"
    printer.show(table(_HEADINGS, map(_cells, layout.sockets), title=title))
    planned = sum(each.planned for each in layout.sockets)
    printer.text(
        f"{layout.wanted} wanted, {planned} planned, room for {layout.capacity} "
        f"and {layout.headroom_per_socket} kept free on each socket"
    )
    for account in layout.accounts:
        if account.trouble:
            printer.text(f"account {account.account} is given nothing: {account.trouble}")
    left_out = [names.get(token, str(token)) for token in layout.left_out]
    if layout.left_out_count:
        printer.text(f"no room for {_few(left_out, layout.left_out_count)}")
    if layout.unlisted_count:
        printer.text(f"not listed: {_few(layout.unlisted, layout.unlisted_count)}")


def show_what_if(printer: Printer, layout: Subscriptions, told: Mapping[str, list[str]]) -> None:
    """Print what would become of further wants on an ingest."""
    free = max(0, layout.capacity - layout.wanted)
    printer.text(f"ingest {layout.by}: {layout.wanted} wanted, room for {free} more")
    for kind, words in _WHAT_IF.items():
        if told[kind]:
            printer.text(f"{words} {_few(told[kind], len(told[kind]))}")


def _cells(use: SocketUse) -> list[str]:
    modes = ", ".join(f"{count} {mode}" for mode, count in use.modes.items())
    return [
        use.account,
        str(use.socket),
        use.state,
        str(use.instruments),
        str(use.planned),
        modes,
    ]


def _few(names: list[str], count: int) -> str:
    shown = ", ".join(names[:SHOWN_MAX])
    return shown if count <= SHOWN_MAX else f"{shown} and {count - SHOWN_MAX} more"
