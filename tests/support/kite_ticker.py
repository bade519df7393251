"""The official tickers, unmodified, each in a process of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYTHON_DRIVER = Path(__file__).with_name("kite_ticker_driver.py")
#: Longest wait for a line that must come, in seconds.
WAIT_S = 60.0
#: Longest installation of the JavaScript client, in seconds.
NPM_S = 240.0


class Driver:
    """What a ticker's callbacks said, line by line."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, args=(process,), name="driver-lines")
        self._reader.start()

    def until(self, wanted: Callable[[dict], bool]) -> dict:
        """Return the first line that is wanted; fail when none comes in time."""
        deadline = time.monotonic() + WAIT_S
        seen: list[str] = []
        while (left_s := deadline - time.monotonic()) > 0:
            try:
                found = json.loads(self._lines.get(timeout=left_s))
            except queue.Empty:
                break
            if wanted(found):
                return found
            seen.append(found["kind"])
        raise AssertionError(f"never came; seen {seen[-20:]}")

    def join(self) -> None:
        self._reader.join()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._lines.put(line)


@contextmanager
def driven(command: Sequence[str], directory: Path = ROOT) -> Iterator[Driver]:
    """Run a driver while the block runs; every line it prints is a JSON object with a `kind`."""
    process = subprocess.Popen(
        command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    driver = Driver(process)
    try:
        yield driver
    finally:
        process.kill()
        process.wait()
        driver.join()
        assert process.stdout is not None
        process.stdout.close()


@contextmanager
def python_ticker(
    url: str, api_key: str, access_token: str, tokens: Sequence[int]
) -> Iterator[Driver]:
    """Run KiteTicker: it subscribes to the tokens, all but the last of them in mode full."""
    words = [sys.executable, str(PYTHON_DRIVER), url, api_key, access_token, json.dumps(tokens)]
    with driven(words) as driver:
        yield driver


def install_javascript() -> Path:
    """Return a folder with the official JavaScript client, as locked; made on first use.

    Skips where Node is missing.
    """
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("Node and npm are not installed")
    source = Path(__file__).with_name("kite_js")
    lock = (source / "package-lock.json").read_bytes()
    home = ROOT / "build" / f"kite-js-{hashlib.sha256(lock).hexdigest()[:12]}"
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        if not (home / "complete").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(source / name, home / name)
            words = [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                words, cwd=home, capture_output=True, text=True, timeout=NPM_S, check=False
            )
            assert done.returncode == 0, done.stderr[-2000:]
            (home / "complete").touch()
    shutil.copy(source / "driver.js", home / "driver.js")
    return home


@contextmanager
def javascript_ticker(
    url: str, api_key: str, access_token: str, tokens: Sequence[int]
) -> Iterator[Driver]:
    """Run the JavaScript ticker, subscribing as `python_ticker` does; its root needs a slash."""
    words = ["node", "driver.js", f"{url}/", api_key, access_token, json.dumps(tokens)]
    with driven(words, install_javascript()) as driver:
        yield driver
