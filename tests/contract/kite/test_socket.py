"""Our WebSocket client against a server of another make."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import struct
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
import pytest
from aiohttp import web

from shared.clock import ManualClock, SystemClock
from shared.errors import (
    KiteError,
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    KiteUnavailable,
)
from shared.kite.ended import Closed, Lost, Silent
from shared.kite.settings import KiteSettings
from shared.kite.socket import SocketAccess, open_socket
from shared.secret import Secret
from shared.wire.segments import FRAME_BYTES_MAX
from shared.wire.ticks import Mode
from tests.support.eventually import eventually
from tests.support.kite_frames import frame, ltp
from tests.support.kite_socket_server import Handler, serving, serving_bytes

TOKEN = "s3cr3t+/= token"
ACCESS = SocketAccess("the key", Secret(TOKEN))


@dataclass
class Heard:
    """A listener that keeps what it hears."""

    frames: list[tuple[bytes, int]] = field(default_factory=list)
    texts: list[bytes] = field(default_factory=list)
    failing: Exception | None = None

    def on_frame(self, frame: bytes, received_at_ns: int) -> None:
        if self.failing:
            raise self.failing
        self.frames.append((frame, received_at_ns))

    def on_text(self, text: bytes, received_at_ns: int) -> None:
        assert received_at_ns
        self.texts.append(text)


def settings(url: str, **changes: float) -> KiteSettings:
    quick = msgspec.structs.replace(
        KiteSettings(ws_url=url), socket_open_timeout_s=2.0, socket_close_timeout_s=0.5
    )
    return msgspec.structs.replace(quick, **changes)


async def test_socket_at_the_handshake_sends_encoded_credentials_and_version() -> None:
    async with serving() as server:
        async with open_socket(settings(server.url), ACCESS, Heard(), SystemClock()):
            request = server.requests[0]
        assert dict(request.query) == {"api_key": "the key", "access_token": TOKEN}
        assert request.headers["X-Kite-Version"] == "3"
        assert request.headers["User-Agent"].startswith("tickflow/")
        assert "Sec-WebSocket-Extensions" not in request.headers


async def test_socket_with_frames_hands_over_each_with_its_time() -> None:
    payload = frame([ltp(256265, 1)])

    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\0")
        await socket.send_bytes(payload)
        await socket.send_str('{"type":"message","data":"hello"}')

    clock, heard = ManualClock(now_ns=77), Heard()
    async with (
        serving(script) as server,
        open_socket(settings(server.url), ACCESS, heard, clock),
    ):
        await eventually(lambda: heard.texts)
    assert heard.frames == [(b"\0", 77), (payload, 77)]
    assert all(type(body) is bytes for body, _ in heard.frames)
    assert heard.texts == [b'{"type":"message","data":"hello"}']


async def test_socket_told_to_subscribe_sends_compact_messages_in_parts() -> None:
    tokens = list(range(1, 1202))
    async with serving() as server:
        async with open_socket(settings(server.url), ACCESS, Heard(), SystemClock()) as socket:
            socket.subscribe([*tokens, 1, 2])
            socket.set_mode(Mode.FULL, [5, 6])
            socket.unsubscribe([7])
            await eventually(lambda: len(server.texts) == 5)
        said = [msgspec.json.decode(text) for text in server.texts]
        assert [part["a"] for part in said[:3]] == ["subscribe"] * 3
        assert [len(part["v"]) for part in said[:3]] == [500, 500, 201]
        assert [token for part in said[:3] for token in part["v"]] == tokens
        assert server.texts[3:] == [
            '{"a":"mode","v":["full",[5,6]]}',
            '{"a":"unsubscribe","v":[7]}',
        ]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, KiteRejected),
        (403, KiteSessionExpired),
        (404, KiteRejected),
        (429, KiteThrottled),
        (200, KiteUnavailable),
        (302, KiteUnavailable),
        (500, KiteUnavailable),
        (503, KiteUnavailable),
    ],
)
async def test_socket_refused_with_a_status_raises_what_it_forces(
    status: int, kind: type[KiteError]
) -> None:
    async with serving(status=status) as server:
        with pytest.raises(kind, match=f"HTTP {status}") as caught:
            async with open_socket(settings(server.url), ACCESS, Heard(), SystemClock()):
                raise AssertionError("never entered")
    assert type(caught.value) is kind
    assert caught.value.__context__ is None
    assert len(server.requests) == 1


async def test_socket_with_nobody_listening_is_unavailable_without_the_url() -> None:
    with pytest.raises(KiteUnavailable, match="not connected") as caught:
        async with open_socket(settings("ws://127.0.0.1:1"), ACCESS, Heard(), SystemClock()):
            raise AssertionError("never entered")
    assert "access_token" not in repr(caught.value)
    assert caught.value.__context__ is None


async def test_socket_without_handshake_in_time_is_unavailable() -> None:
    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with serving_bytes(say_nothing) as port:
        quick = settings(f"ws://127.0.0.1:{port}", socket_open_timeout_s=0.2)
        with pytest.raises(KiteUnavailable, match="no handshake"):
            async with open_socket(quick, ACCESS, Heard(), SystemClock()):
                raise AssertionError("never entered")


async def test_socket_opening_cancelled_does_not_live_on() -> None:
    asked, late, gone = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def upgrade_late(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await late.wait()
        writer.write(upgrade(request))
        with suppress(ConnectionError):
            await reader.read()
        gone.set()

    async def open_it(port: int) -> None:
        async with open_socket(settings(f"ws://127.0.0.1:{port}"), ACCESS, Heard(), SystemClock()):
            raise AssertionError("never entered")

    async with serving_bytes(upgrade_late) as port:
        opening = asyncio.create_task(open_it(port), name="opening")
        await asked.wait()
        opening.cancel()
        await asyncio.wait([opening])
        assert opening.cancelled()
        late.set()
        await asyncio.wait_for(gone.wait(), 1)


@pytest.mark.parametrize("answer", [b"not http at all\r\n\r\n", b"HTTP/1.1 101 Fine\r\n\r\n", b""])
async def test_socket_answered_with_rubbish_is_unavailable(answer: bytes) -> None:
    async def answer_rubbish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)

    async with serving_bytes(answer_rubbish) as port:
        with pytest.raises(KiteUnavailable):
            async with open_socket(
                settings(f"ws://127.0.0.1:{port}"), ACCESS, Heard(), SystemClock()
            ):
                raise AssertionError("never entered")


async def test_socket_closed_by_the_server_ends_with_its_code() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.close(code=1013, message=b"try again")

    async with (
        serving(script) as server,
        open_socket(settings(server.url), ACCESS, Heard(), SystemClock()) as socket,
    ):
        assert await asyncio.wait_for(socket.ended, 5) == Closed(1013, "try again")
        socket.subscribe([1])


async def test_socket_cut_by_the_server_ends_lost() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        transport = socket._req.transport
        assert transport is not None
        transport.abort()

    async with (
        serving(script) as server,
        open_socket(settings(server.url), ACCESS, Heard(), SystemClock()) as socket,
    ):
        assert await asyncio.wait_for(socket.ended, 5) == Lost("connection lost")


async def test_socket_we_close_ends_normally_on_both_sides() -> None:
    async with serving() as server:
        async with open_socket(settings(server.url), ACCESS, Heard(), SystemClock()) as socket:
            socket.close()
            assert await asyncio.wait_for(socket.ended, 5) == Closed(1000, ours=True)
        await eventually(lambda: server.closed_with == [1000])


async def test_socket_left_is_closed_and_its_end_known() -> None:
    async with serving() as server:
        async with open_socket(settings(server.url), ACCESS, Heard(), SystemClock()) as socket:
            pass
        assert socket.ended.result() == Closed(1000, ours=True)


async def test_socket_without_any_sign_of_life_ends_silent() -> None:
    quick = {"ping_interval_s": 0.05, "silence_s_max": 0.2}
    async with (
        serving(answer_pings=False) as server,
        open_socket(settings(server.url, **quick), ACCESS, Heard(), SystemClock()) as socket,
    ):
        ended = await asyncio.wait_for(socket.ended, 5)
        assert isinstance(ended, Silent)
        assert ended.silence_s >= 0.2
        assert server.pings >= 2


async def test_socket_whose_pings_are_answered_stays_open() -> None:
    quick = {"ping_interval_s": 0.02, "silence_s_max": 0.1}
    async with (
        serving() as server,
        open_socket(settings(server.url, **quick), ACCESS, Heard(), SystemClock()) as socket,
    ):
        await eventually(lambda: server.pings > 15)
        assert not socket.ended.done()


async def test_socket_with_frames_but_no_pongs_stays_open() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        for _ in range(30):
            await socket.send_bytes(b"\0")
            await asyncio.sleep(0.02)

    quick, heard = {"ping_interval_s": 0.02, "silence_s_max": 0.15}, Heard()
    async with (
        serving(script, answer_pings=False) as server,
        open_socket(settings(server.url, **quick), ACCESS, heard, SystemClock()) as socket,
    ):
        await eventually(lambda: len(heard.frames) == 30)
        assert not socket.ended.done()


async def test_socket_whose_listener_raises_gives_that_error() -> None:
    async def script(socket: web.WebSocketResponse) -> None:
        await socket.send_bytes(b"\0")
        await socket.send_bytes(b"\0")

    heard = Heard(failing=ZeroDivisionError("a bug"))
    async with (
        serving(script) as server,
        open_socket(settings(server.url), ACCESS, heard, SystemClock()) as socket,
    ):
        with pytest.raises(ZeroDivisionError, match="a bug"):
            await asyncio.wait_for(socket.ended, 5)


def upgrading_then(payload: bytes) -> Handler:
    """Do the handshake by hand and then send these bytes, whatever they are."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(upgrade(request) + payload)
        await reader.read()

    return handle


def upgrade(request: bytes) -> bytes:
    """Return the answer that accepts this handshake."""
    key = next(
        line.split(b": ")[1]
        for line in request.split(b"\r\n")
        if line.lower().startswith(b"sec-websocket-key")
    )
    magic = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key + magic).digest())
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


async def test_socket_with_a_message_in_parts_joins_them() -> None:
    parts = b"\x02\x02ab" + b"\x00\x01c" + b"\x80\x02de" + b"\x82\x01f"
    heard = Heard()
    async with (
        serving_bytes(upgrading_then(parts)) as port,
        open_socket(settings(f"ws://127.0.0.1:{port}"), ACCESS, heard, SystemClock()),
    ):
        await eventually(lambda: len(heard.frames) == 2)
    assert [body for body, _ in heard.frames] == [b"abcde", b"f"]


async def test_socket_with_a_frame_above_the_limit_ends_lost() -> None:
    too_long = b"\x82\x7f" + struct.pack(">Q", FRAME_BYTES_MAX + 1)
    async with (
        serving_bytes(upgrading_then(too_long)) as port,
        open_socket(settings(f"ws://127.0.0.1:{port}"), ACCESS, Heard(), SystemClock()) as socket,
    ):
        ended = await asyncio.wait_for(socket.ended, 5)
    assert isinstance(ended, Lost)
    assert "protocol broken" in ended.cause


async def test_socket_at_any_log_level_prints_no_secret(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.NOTSET)
    async with (
        serving() as server,
        open_socket(settings(server.url), ACCESS, Heard(), SystemClock()) as socket,
    ):
        assert "token" not in repr(socket)
    async with serving(status=403) as server:
        with pytest.raises(KiteSessionExpired) as caught:
            async with open_socket(settings(server.url), ACCESS, Heard(), SystemClock()):
                raise AssertionError("never entered")
    printed = caplog.text + str(capsys.readouterr()) + repr(caught.value) + repr(ACCESS)
    assert "s3cr3t" not in printed
    assert not [record for record in caplog.records if record.name.startswith(("picows", "kite"))]
