"""How far a long command is: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from shared.clock import Clock
from shared.ops.printing import Printer
from shared.ops.tables import size

#: Between two lines where nobody can redraw one.
LINE_EVERY_S = 5.0


class Figures(NamedTuple):
    """What is shown: how far in the unit of the total, packets, bytes, a few words."""

    done: float
    packets: int
    bytes: int
    words: str = ""


Show = Callable[[Figures], None]


@contextmanager
def progress(printer: Printer, clock: Clock, title: str, total: float | None) -> Iterator[Show]:
    """Give what shows figures, on standard error; `total` None where no end is known.

    Nothing is shown when quiet or in JSON.
    """
    if printer.is_quiet or printer.as_json:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _bar(title, total) as show:
            yield show
    else:
        yield _lines(printer, clock, title, total)


@contextmanager
def _bar(title: str, total: float | None) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[words]}", markup=False),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as drawn:
        task = drawn.add_task(title, total=total, words="")
        yield lambda figures: drawn.update(
            task, completed=min(figures.done, total or figures.done), words=_words(figures)
        )


def _lines(printer: Printer, clock: Clock, title: str, total: float | None) -> Show:
    due_s = clock.monotonic_s() + LINE_EVERY_S

    def show(figures: Figures) -> None:
        nonlocal due_s
        if clock.monotonic_s() < due_s:
            return
        due_s = clock.monotonic_s() + LINE_EVERY_S
        part = f" {min(1.0, figures.done / total):.0%}" if total else ""
        printer.note(f"{title}{part}: {_words(figures)}")

    return show


def _words(figures: Figures) -> str:
    if figures.words and not figures.bytes:
        return figures.words  # of something else than packets
    said = f"{figures.packets:,} packets, {size(figures.bytes)}"
    return f"{said}, {figures.words}" if figures.words else said
