"""Starts the sandbox from the command line."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from deploy.sandbox.server import serve
from deploy.sandbox.settings import SandboxSettings, parse
from shared.clock import SystemClock
from shared.errors import LocalError, SettingsError

EXIT_CLEAN = 0
EXIT_FAILED = 1
EXIT_BAD_SETTINGS = 2


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop; return the exit code."""
    try:
        settings = parse(arguments)
        asyncio.run(_run(settings))
    except SettingsError as error:
        print(error, file=sys.stderr)
        return EXIT_BAD_SETTINGS
    except LocalError as error:
        print(error, file=sys.stderr)
        return EXIT_FAILED
    return EXIT_CLEAN


async def _run(settings: SandboxSettings) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(settings, SystemClock(), stopping)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
