"""The whole pipeline as a user runs it, for tests that use it as one: `python -m deploy.local up`."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S_MAX = 180.0
STOP_S_MAX = 60.0


@dataclass(frozen=True, slots=True)
class RunningPipeline:
    """A pipeline in its own process; `environment` is the operator's, as it is told to a person."""

    process: subprocess.Popen[str]
    state: Path
    environment: dict[str, str]
    lines: list[str]

    @property
    def control_url(self) -> str:
        """Return the sandbox's control address."""
        found = re.search(r"control (http://\S+?)\)", "\n".join(self.lines))
        assert found, "the addresses are printed before it is ready"
        return found.group(1)

    @property
    def publisher_url(self) -> str:
        """Return the publisher's address."""
        found = re.search(r"publisher\s+(http://\S+)", "\n".join(self.lines))
        assert found, "the addresses are printed before it is ready"
        return found.group(1)

    def run(self, *command: str, timeout_s: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout with the operator's environment."""
        return subprocess.run(
            command, cwd=ROOT, env=self.environment, text=True, capture_output=True,
            timeout=timeout_s, check=False,
        )  # fmt: skip


@contextlib.contextmanager
def running_pipeline(*flags: str) -> Iterator[RunningPipeline]:
    """Run the pipeline in a state directory of its own until the block ends, then Ctrl-C."""
    state = Path(tempfile.mkdtemp(prefix="tickflow-e2e-"))
    plain = {name: value for name, value in os.environ.items() if not name.startswith("TICKFLOW_")}
    environment = {**plain, "TICKFLOW_LOCAL__STATE_DIR": str(state), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "deploy.local", "up", "--no-view", *flags]
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    lines: list[str] = []
    reader = threading.Thread(target=_collect, args=(process, lines), daemon=True)
    reader.start()
    try:
        _await_ready(process, lines)
        operator = {**environment, **read_shell(state / "operator.env")}
        yield RunningPipeline(process, state, operator, lines)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        try:
            process.wait(STOP_S_MAX)
        finally:
            process.kill()
            reader.join(5)
            assert process.stdout is not None
            process.stdout.close()
            shutil.rmtree(state, ignore_errors=True)


def read_shell(path: Path) -> dict[str, str]:
    """Return the assignments of a file made to be sourced."""
    pairs = re.findall(r"^(\w+)='(.*)'$", path.read_text(), re.MULTILINE)
    return dict(pairs)


def _collect(process: subprocess.Popen[str], lines: list[str]) -> None:
    assert process.stdout is not None
    lines.extend(line.rstrip("\n") for line in process.stdout)


def _await_ready(process: subprocess.Popen[str], lines: list[str]) -> None:
    deadline_s = time.monotonic() + START_S_MAX
    while not any("try next" in line for line in lines):
        if process.poll() is not None or time.monotonic() > deadline_s:
            raise AssertionError("the pipeline did not start:\n" + "\n".join(lines[-40:]))
        time.sleep(0.05)
