"""Somebody else's program that fetches a request token."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from asyncio.subprocess import DEVNULL, Process
from collections.abc import Mapping, Sequence
from typing import Final

from shared.accounts.login import read_request_token
from shared.errors import LocalError, SettingsError
from shared.secret import Secret

OUTPUT_BYTES_MAX: Final = 8 * 1024
#: What the hook finds in its environment beside its user's own; ours stays with us.
ACCOUNT_VARIABLE: Final = "KITE_LOGIN_ACCOUNT"
URL_VARIABLE: Final = "KITE_LOGIN_URL"
_OURS: Final = ("TICKFLOW_", "REDIS_URL", "POSTGRES_URL", "TICKS_BACKEND")


async def run_hook(
    argv: Sequence[str],
    *,
    account: str,
    login_url: Secret,
    environ: Mapping[str, str],
    timeout_s: float,
) -> Secret:
    """Run the program without a shell; return the request token it printed.

    Its standard error is the operator's. With the time over it is killed with its children.

    Raises:
        LocalError: it cannot be started, failed, took too long, or printed no request token.
    """
    program = argv[0]
    # A pipe of our own: the vendor's waits for everybody who holds its other end.
    ours, theirs = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *argv,
            stdin=DEVNULL,
            stdout=theirs,
            env=environment_of(environ, account, login_url),
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        os.close(ours)
        reason = error.strerror if isinstance(error, OSError) else "not a command line"
        raise LocalError(f"accounts.login_hook {program} cannot be run: {reason}") from None
    finally:
        os.close(theirs)
    try:
        async with asyncio.timeout(timeout_s):
            output = await _output(ours, program)
            code = await process.wait()
    except TimeoutError:
        raise LocalError(f"accounts.login_hook {program} took over {timeout_s:g} s") from None
    finally:
        await _end(process)
    if code != 0:
        raise LocalError(f"accounts.login_hook {program} ended with {code}")
    try:
        return read_request_token(output.decode(errors="replace"))
    except SettingsError as error:
        # What it printed may be half a secret: only its kind is told.
        raise LocalError(f"accounts.login_hook {program}: {error}") from None


def environment_of(environ: Mapping[str, str], account: str, login_url: Secret) -> dict[str, str]:
    """Return the hook's environment: the user's without our settings, with what it needs."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
    return {**kept, ACCOUNT_VARIABLE: account, URL_VARIABLE: login_url.reveal()}


async def _output(descriptor: int, program: str) -> bytes:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", 0)
    )
    output = b""
    try:
        while piece := await reader.read(OUTPUT_BYTES_MAX):
            output += piece
            if len(output) > OUTPUT_BYTES_MAX:
                raise LocalError(
                    f"accounts.login_hook {program} printed over {OUTPUT_BYTES_MAX} bytes; "
                    "a request token was expected"
                )
    finally:
        transport.close()
    return output


async def _end(process: Process) -> None:
    # The group is of its own making, so that what it started ends with it.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
