"""Tapes written by the recorder, read by the sandbox's own eyes, sent to whoever subscribed."""

from __future__ import annotations

import asyncio
import json
import tempfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from deploy.sandbox.market_clock import MarketClock
from deploy.sandbox.server import TAPE, build
from deploy.sandbox.settings import SandboxSettings, default_account, parse
from deploy.sandbox.tape import TapeFiles
from deploy.sandbox.tape_dump import INSTRUMENT
from deploy.sandbox.tape_player import split
from shared.clock import ManualClock
from shared.errors import MessageError, SettingsError
from shared.wire.instruments import INSTRUMENT_DTYPE
from shared.wire.segments import iterate, segment
from shared.wire.tape import Block, BlockKind
from shared.wire.tape_reader import Tape
from tests.support import kite_frames
from tests.support.option_chain import INFY, NIFTY, market
from tests.support.tapes import block_of, tape_of
from tests.unit.deploy_sandbox.conftest import START_NS, Sandbox, receive_packets

FRAMES = [
    kite_frames.frame([kite_frames.ltp(NIFTY, 100 + number), kite_frames.ltp(INFY, 200 + number)])
    for number in range(4)
]


def segments_of(frames: list[bytes]) -> bytes:
    return b"".join(segment(1_000 + number, frame) for number, frame in enumerate(frames))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    described = Block(kind=BlockKind.INSTRUMENTS, payload=market().tobytes(), segments=18)
    file = tmp_path / "one.tape"
    file.write_bytes(
        tape_of([described, block_of(segments_of(FRAMES[:2])), block_of(segments_of(FRAMES[2:]))])
    )
    return file


@pytest.fixture
async def sandbox(path: Path):
    settings = SandboxSettings(
        strikes_each_side=2, accounts=(default_account(1),), tapes=(path,), tape_speed=0.0
    )
    clock = ManualClock(START_NS)
    application, simulation, ticker = build(settings, MarketClock(clock))
    async with (
        TestClient(TestServer(application)) as client,
        asyncio.TaskGroup() as group,
    ):
        playing = group.create_task(application[TAPE].run(), name="tape")
        yield Sandbox(clock, simulation, ticker, client)
        playing.cancel()
        await ticker.close_all()


async def test_subscriber_gets_the_packets_it_watches_as_recorded(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [INFY]}))
    received = [await receive_packets(socket) for _ in FRAMES]
    assert [body for ((_, _, body),) in received] == [
        kite_frames.ltp(INFY, 200 + number) for number in range(4)
    ]


async def test_simulated_prices_stay_away_while_a_tape_plays(sandbox: Sandbox) -> None:
    socket = await sandbox.connect()
    await socket.send_str(json.dumps({"a": "subscribe", "v": [NIFTY]}))
    for _ in FRAMES:
        assert [length for _, length, _ in await receive_packets(socket)] == [8]
    await sandbox.step()
    await sandbox.control("POST", "faults", kind="ws_text", text='{"type":"message"}')
    await sandbox.step()
    assert (await socket.receive(timeout=5)).data == '{"type":"message"}'
    state = await sandbox.control("GET", "state")
    assert (state["tape"]["state"], state["tape"]["frames"]) == ("ended", 4)


async def test_dump_lists_the_instruments_of_the_tape(sandbox: Sandbox) -> None:
    async with sandbox.client.get("/instruments/NFO") as response:
        lines = (await response.text()).splitlines()
    assert len(lines) == 1 + 16
    assert lines[1].split(",")[-3:] == ["CE", "NFO-OPT", "NFO"]


def test_sandbox_knows_the_layout_of_instruments() -> None:
    assert INSTRUMENT.size == INSTRUMENT_DTYPE.itemsize
    row = market()[5]
    fields = INSTRUMENT.unpack(np.asarray(row).tobytes())
    names = INSTRUMENT_DTYPE.names or ()
    for name, found in zip(names, fields, strict=True):
        assert np.asarray(found, INSTRUMENT_DTYPE[name]) == row[name], name


@given(st.integers(48, 3_000), st.integers(0, 255))
@examples(max_examples=60, deadline=None)
def test_both_readers_agree_on_damaged_tapes(at: int, mask: int) -> None:
    blocks = [block_of(segment(number, b"\0\1\0\4abcd" * 20)) for number in range(1, 6)]
    body = bytearray(tape_of(blocks))
    body[at % len(body)] ^= mask
    assert sandbox_reads(bytes(body)) == recorder_reads(bytes(body))


def sandbox_reads(body: bytes) -> list[bytes]:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "some.tape"
        path.write_bytes(body)
        try:
            return [each.frame for each in TapeFiles([path]).frames()]
        except SettingsError:
            return []


def recorder_reads(body: bytes) -> list[bytes]:
    try:
        blocks = [*Tape(BytesIO(body)).blocks()]
    except MessageError:
        return []
    return [bytes(frame) for _, block in blocks for _, frame in iterate(block.payload)]


def test_damage_is_remembered_with_its_offset(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-30])
    files = TapeFiles([path])
    assert [each.frame for each in files.frames()] == FRAMES
    assert list(files.damages) == [str(path)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--speed", "fast"], "--speed is 'fast'; it must be above 0, at most 100000, or max"),
        (["--speed", "0"], "--speed is '0'; it must be above 0, at most 100000, or max"),
    ],
)
def test_speed_that_is_none_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(words)
    assert str(caught.value) == sentence


def test_file_that_is_no_tape_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other.tape"
    other.write_bytes(b"something else")
    with pytest.raises(SettingsError, match="is no tape"):
        TapeFiles([other])
    with pytest.raises(SettingsError, match="cannot be read"):
        TapeFiles([tmp_path / "missing.tape"])


@given(st.binary(max_size=80))
def test_any_frame_is_split_into_whole_packets(frame: bytes) -> None:
    for token, body in split(frame):
        assert int.from_bytes(body[:2], "big") == len(body) - 2
        assert int.from_bytes(body[2:6], "big") == token
