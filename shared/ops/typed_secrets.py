"""Secrets from the operator's hand: prompts on a terminal, lines elsewhere, never arguments."""

from __future__ import annotations

import sys
from typing import Final

import click

from shared.errors import SettingsError
from shared.secret import Secret

LINE_CHARACTERS_MAX: Final = 4_096


def is_terminal() -> bool:
    """Tell whether a person can be asked."""
    return sys.stdin.isatty()


def read_secret(what: str) -> Secret:
    """Return what was typed unseen, or the next line of standard input.

    Raises:
        SettingsError: nothing came, or more than a line may hold; the text is not quoted.
    """
    if is_terminal():
        text = click.prompt(what, hide_input=True, err=True)
    else:
        text = sys.stdin.readline(LINE_CHARACTERS_MAX + 1)
    plain = text.strip()
    if not plain:
        raise SettingsError(f"{what} is empty; it is read from standard input, one line")
    if len(plain) > LINE_CHARACTERS_MAX:
        raise SettingsError(f"{what} must be at most {LINE_CHARACTERS_MAX} characters")
    return Secret(plain)
