"""What every command is handed: flags that hold everywhere, settings, a clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from shared.clock import Clock, SystemClock
from shared.ops.printing import Printer

if TYPE_CHECKING:
    from shared.ops.settings import OpsSettings

F = TypeVar("F", bound=Callable[..., Any])


@dataclass
class Session:
    """One call of the command line; what costs time is read when first asked for."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    clock: Clock = field(default_factory=SystemClock)
    printer: Printer = field(default_factory=Printer)
    config: Path | None = None

    @cached_property
    def settings(self) -> OpsSettings:
        """Return the operator's settings.

        Raises:
            SettingsError: a setting is malformed or unknown.
        """
        from shared.ops.settings import load_settings

        return load_settings(self.environ, config=self.config)


pass_session = click.make_pass_decorator(Session, ensure=True)


def output_options(function: F) -> F:
    """Add --json and --quiet, understood before as well as after the command's name."""
    for flag, short_help in (
        ("--quiet", "Print only what was asked for; no notes."),
        ("--json", "Print JSON, one value a line; errors too."),
    ):
        function = click.option(
            flag, is_flag=True, expose_value=False, callback=_remember, help=short_help
        )(function)
    return function


def _remember(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    printer = context.ensure_object(Session).printer
    if value and parameter.name == "json":
        printer.as_json = True
    if value and parameter.name == "quiet":
        printer.is_quiet = True
