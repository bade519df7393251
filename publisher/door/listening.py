"""What both doors do alike: listen, say where, keep a connection's buffers small."""

from __future__ import annotations

import socket

from aiohttp import web

from shared.errors import LocalError

#: Bytes that may wait inside the process before a writer is held back.
WRITER_BYTES_MAX = 16 * 1024


async def runner_of(application: web.Application, *, close_timeout_s: float) -> web.AppRunner:
    """Return what serves an application, set up; at its end connections have so long to close."""
    runner = web.AppRunner(
        application,
        # aiohttp would write whole URLs; those of Kite's dialect hold the key.
        access_log=None,
        # What nobody unpacks cannot fail to, nor be a thousand times its size.
        auto_decompress=False,
        handle_signals=False,
        shutdown_timeout=close_timeout_s,
    )
    await runner.setup()
    return runner


async def listen(runner: web.AppRunner, host: str, port: int, *, whom: str) -> str:
    """Listen there; return the address, the port that was free included.

    Raises:
        LocalError: the address cannot be listened on; nothing of the runner is left.
    """
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise LocalError(
            f"publisher cannot listen on {host}:{port} for {whom}: {error.strerror or error}"
        ) from error
    bound_host, bound_port = runner.addresses[0][:2]
    return f"{bound_host}:{bound_port}"


def narrow(request: web.Request, send_buffer_bytes: int) -> None:
    """Keep buffers on the way small: what lies in them can no longer be replaced by newer."""
    transport = request.transport
    if transport is None:
        return
    transport.set_write_buffer_limits(high=WRITER_BYTES_MAX)
    connected = transport.get_extra_info("socket")
    if connected is not None:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes)
