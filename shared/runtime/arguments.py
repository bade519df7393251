"""The flags every worker understands."""

from __future__ import annotations

import argparse
import importlib.metadata
import pathlib
from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Flags:
    """What was asked for on the command line; `parent_pid` 0 means whoever the parent is."""

    config: pathlib.Path | None = None
    overrides: dict[str, str] = field(default_factory=dict)
    check: bool = False
    exit_with_parent: bool = False
    parent_pid: int = 0


def parse(name: str, arguments: Sequence[str] | None) -> Flags:
    """Return the flags; a usage error, `--help` or `--version` leaves the process."""
    parser = _parser(name)
    read = parser.parse_args(arguments)
    return Flags(
        config=read.config,
        overrides=dict(read.set),
        check=read.check,
        exit_with_parent=read.exit_with_parent is not None,
        parent_pid=read.exit_with_parent or 0,
    )


def version() -> str:
    """Return the installed version of the project."""
    try:
        return importlib.metadata.version("tickflow")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _parser(name: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"python -m {name}",
        allow_abbrev=False,
        epilog="Settings: defaults, then the file, then TICKFLOW_SECTION__FIELD, then --set.",
    )
    parser.add_argument(
        "--config",
        type=pathlib.Path,
        metavar="FILE",
        help="TOML file of settings, instead of the one TICKFLOW_CONFIG names",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_assignment,
        metavar="SECTION.FIELD=VALUE",
        help="one setting, over everything else; may be repeated",
    )
    parser.add_argument("--check", action="store_true", help="check the settings, then leave")
    parser.add_argument(
        "--exit-with-parent",
        nargs="?",
        type=int,
        const=0,
        metavar="PID",
        help="drain as soon as the parent process is gone, however it went (Linux)",
    )
    parser.add_argument("--version", action="version", version=f"tickflow {version()}")
    return parser


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        msg = f"{name!r} needs the form section.field=value"
        raise argparse.ArgumentTypeError(msg)
    return name, value
