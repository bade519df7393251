"""How a command of the operator ends."""

from __future__ import annotations

import enum

import click


class ExitCode(enum.IntEnum):
    """What the command says to whoever called it."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    DEGRADED = 3
    NOT_FOUND = 4


class NotFound(click.ClickException):
    """What was asked for is not there."""

    exit_code = ExitCode.NOT_FOUND


class Degraded(click.ClickException):
    """It is there, but not all of it, or not yet."""

    exit_code = ExitCode.DEGRADED
