"""A real browser without a window, spoken to over its own protocol.

Source: chromedevtools.github.io/devtools-protocol (read 2026-11).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

START_S_MAX = 60.0
MESSAGE_BYTES_MAX = 64 * 1024 * 1024
_NAMES = ("chromium", "chromium-browser", "google-chrome")


def find_browser() -> str | None:
    return next(filter(None, map(shutil.which, _NAMES)), None)


class Page:
    """One page: what it asked for, what it complained of, what it looks like."""

    def __init__(self, socket, session: str) -> None:
        self._socket = socket
        self._session = session
        self._numbers = itertools.count(1)
        self._answers: dict[int, asyncio.Future] = {}
        self.complaints: list[str] = []
        self.urls: list[str] = []

    async def listen(self) -> None:
        async for message in self._socket:
            said = json.loads(message.data)
            if "id" in said:
                answer = self._answers.pop(said["id"], None)
                if answer is not None and not answer.done():
                    answer.set_result(said)
            else:
                self._note(said.get("method"), said.get("params", {}))

    def _note(self, method: str, params: dict) -> None:
        if method == "Runtime.exceptionThrown":
            self.complaints.append(json.dumps(params["exceptionDetails"])[:500])
        elif method == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(json.dumps(params["entry"])[:500])
        elif method == "Network.requestWillBeSent":
            self.urls.append(params["request"]["url"])
        elif method == "Network.webSocketCreated":
            self.urls.append(params["url"])

    async def do(self, method: str, *, of_browser: bool = False, **params):
        number = next(self._numbers)
        self._answers[number] = asyncio.get_running_loop().create_future()
        told = {"id": number, "method": method, "params": params}
        if not of_browser:
            told["sessionId"] = self._session
        await self._socket.send_str(json.dumps(told))
        said = await asyncio.wait_for(self._answers[number], START_S_MAX)
        assert "error" not in said, (method, said)
        return said["result"]

    async def open(self, url: str) -> None:
        await self.do("Page.navigate", url=url)

    async def js(self, expression: str):
        """Return what the expression is worth in the page."""
        result = await self.do(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    async def press(self, key: str, text: str = "") -> None:
        for kind in ("keyDown", "keyUp"):
            extra = {"text": text} if text and kind == "keyDown" else {}
            await self.do("Input.dispatchKeyEvent", type=kind, key=key, code=key, **extra)

    async def write(self, text: str) -> None:
        await self.do("Input.insertText", text=text)

    async def size(self, width: int, height: int) -> None:
        await self.do(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=width < 600,
        )  # fmt: skip

    async def prefer(self, scheme: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.do("Emulation.setEmulatedMedia", features=[feature])

    async def picture(self) -> bytes:
        shot = await self.do("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(shot["data"])


@asynccontextmanager
async def browser_page() -> AsyncIterator[Page]:
    """Run a browser with one empty page while the block runs."""
    binary = find_browser()
    if binary is None:
        pytest.skip("no chromium on PATH")
    profile = Path(tempfile.mkdtemp(prefix="tickflow-browser-"))
    process = await asyncio.create_subprocess_exec(
        binary, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
        "--no-first-run", "--disable-background-networking", "--disable-extensions",
        "--disable-component-update", "--hide-scrollbars", "--remote-debugging-port=0",
        f"--user-data-dir={profile}", "about:blank",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        url = await _address(profile / "DevToolsActivePort", process)
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(url, max_msg_size=MESSAGE_BYTES_MAX) as socket,
        ):
            page = Page(socket, "")
            listening = asyncio.create_task(page.listen(), name="browser")
            try:
                await _attach(page)
                yield page
            finally:
                listening.cancel()
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
        shutil.rmtree(profile, ignore_errors=True)


async def _attach(page: Page) -> None:
    made = await page.do("Target.createTarget", of_browser=True, url="about:blank")
    attached = await page.do(
        "Target.attachToTarget", of_browser=True, targetId=made["targetId"], flatten=True
    )
    page._session = attached["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        await page.do(f"{domain}.enable")


async def _address(file: Path, process: asyncio.subprocess.Process) -> str:
    async with asyncio.timeout(START_S_MAX):
        while True:
            assert process.returncode is None, "the browser ended at its start"
            lines = _words(file)
            if len(lines) == 2:
                return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
            await asyncio.sleep(0.05)


def _words(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []
