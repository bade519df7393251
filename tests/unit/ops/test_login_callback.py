"""The loopback page against a browser, and against everybody else."""

from __future__ import annotations

import asyncio

import pytest

from shared.errors import LocalError
from shared.ops.login_callback import HEAD_BYTES_MAX, listening
from shared.secret import Secret

TOKEN = "a1B2c3D4e5F6"


async def ask(port: int, target: str, *, method: str = "GET", host: str | None = None) -> str:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    named = f"127.0.0.1:{port}" if host is None else host
    writer.write(f"{method} {target} HTTP/1.1\r\nHost: {named}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


def returned(state: str, token: str = TOKEN, status: str = "success") -> str:
    return f"/?action=login&status={status}&request_token={token}&state={state}"


async def test_redirect_of_the_broker_brings_the_token() -> None:
    async with listening(0) as callback:
        page = await ask(callback.port, returned(callback.state))
        assert page.startswith("HTTP/1.1 200 ")
        assert TOKEN not in page
        assert (await callback.request_token(1)).reveal() == TOKEN
        assert (await ask(callback.port, returned(callback.state))).startswith("HTTP/1.1 410 ")


async def test_start_page_leads_to_the_login_page() -> None:
    async with listening(0) as callback:
        callback.login_url = Secret("https://broker.example/login?api_key=k3y")
        page = await ask(callback.port, callback.start_path)
        assert "Location: https://broker.example/login?api_key=k3y\r\n" in page
        assert "k3y" not in callback.start_url
        assert "k3y" not in repr(callback)


async def test_strangers_leave_the_login_waiting() -> None:
    async with listening(0) as callback:
        for target in (
            returned("guessed"),
            returned(""),
            f"/?status=success&request_token={TOKEN}",
            returned(callback.state) + "&state=other",
            returned(callback.state, token="no;token"),
            returned(callback.state, token=""),
            "/?" + "&".join(f"a{n}=1&request_token=x" for n in range(60)),
            "/favicon.ico",
            "//[::1",
        ):
            assert (await ask(callback.port, target))[9:12] in {"400", "404"}, target
        assert "400" in await ask(callback.port, returned(callback.state), method="POST")
        for host in ("evil.example", "", f"evil.example:{callback.port}"):
            assert "400" in await ask(callback.port, returned(callback.state), host=host)
        await ask(callback.port, returned(callback.state))
        assert (await callback.request_token(1)).reveal() == TOKEN


async def test_noise_and_silence_do_not_stop_it() -> None:
    async with listening(0) as callback:
        _, silent = await asyncio.open_connection("127.0.0.1", callback.port)
        for noise in (b"\x00" * 100 + b"\r\n\r\n", b"GET\r\n\r\n", b"x" * (HEAD_BYTES_MAX + 99)):
            _, writer = await asyncio.open_connection("127.0.0.1", callback.port)
            writer.write(noise)
            writer.write_eof()
            writer.close()
        await ask(callback.port, returned(callback.state))
        assert (await callback.request_token(1)).reveal() == TOKEN
        silent.close()


async def test_login_that_failed_or_never_came_is_told() -> None:
    async with listening(0) as callback:
        await ask(callback.port, returned(callback.state, status="cancelled"))
        with pytest.raises(LocalError, match="the login failed"):
            await callback.request_token(1)
    async with listening(0) as callback:
        with pytest.raises(LocalError, match=r"nobody logged in within 0\.01 s"):
            await callback.request_token(0.01)


async def test_port_that_is_taken_is_told() -> None:
    async with listening(0) as callback:
        with pytest.raises(LocalError, match="cannot be listened on"):
            async with listening(callback.port):
                pass
