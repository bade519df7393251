"""Make a subscriber's key: `python -m publisher.new_key NAME SCOPES`."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Sequence

from publisher.access.auth import digest, read_keyring
from shared.errors import SettingsError

KEY_BYTES = 32
_USAGE = "usage: python -m publisher.new_key NAME SCOPES   (scopes: ticks+orders:SB0001)\n"
_EXIT_USAGE = 2


def main(arguments: Sequence[str]) -> int:
    """Print a new key, shown this once, with the line that settings take in its place."""
    try:
        name, scopes = arguments
    except ValueError:
        sys.stderr.write(_USAGE)
        return _EXIT_USAGE
    key = secrets.token_urlsafe(KEY_BYTES)
    line = f"{name}:{scopes}:{digest(key)}"
    try:
        read_keyring([line])
    except SettingsError as error:
        sys.stderr.write(f"{error}\n{_USAGE}")
        return _EXIT_USAGE
    sys.stdout.write(f"key, for the subscriber:   {key}\n")
    sys.stdout.write(f"for TICKFLOW_PUBLISHER__KEYS: {line}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
