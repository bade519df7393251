"""Values onto the terminal: text for people, JSON for programs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.console import RenderableType

#: A file or a pipe has no width; wide enough that no table is cut.
PIPE_WIDTH = 250


@dataclass
class Printer:
    """Prints to standard output; notes go to standard error."""

    as_json: bool = False
    is_quiet: bool = False

    def value(self, value: Any) -> None:
        """Print one JSON value on a line; NaN becomes null."""
        import msgspec

        click.echo(msgspec.json.encode(value).decode())

    def text(self, text: str) -> None:
        """Print a line that was asked for."""
        click.echo(text)

    def answer(self, text: str) -> None:
        """Print what the exit code says too: left out when quiet."""
        if not self.is_quiet:
            click.echo(text)

    def note(self, text: str) -> None:
        """Tell the person at the terminal something beside the answer."""
        if not (self.is_quiet or self.as_json):
            click.echo(text, err=True)

    def show(self, what: RenderableType) -> None:
        """Print a table, in colour on a terminal only."""
        from rich.console import Console

        is_terminal = sys.stdout.isatty()
        console = Console(file=sys.stdout, width=None if is_terminal else PIPE_WIDTH)
        console.print(what, highlight=False)
