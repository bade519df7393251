"""A pipeline of fake programs, in this process or in one that may be killed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from deploy.local.environment import WORKERS
from deploy.local.pipeline import Programs, Request, pipeline
from deploy.local.settings import LocalSettings, RunSettings
from deploy.local.supervise import StopRequest

_FAKE = (sys.executable, "-m", "tests.support.fake_worker")


def request(
    state: Path, *, behaviour: Mapping[str, str] | None = None, start_timeout_s: float = 30.0
) -> Request:
    """Return a request for real servers under fake workers."""
    told = behaviour or {}
    return Request(
        settings=RunSettings(
            local=LocalSettings(state_dir=str(state), start_timeout_s=start_timeout_s)
        ),
        seed=1,
        environment=os.environ,
        programs=Programs(
            sandbox=(*_FAKE, "sandbox"),
            workers={
                name: (*_FAKE, name, *([told[name]] if name in told else [])) for name in WORKERS
            },
            migrates=False,
        ),
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def _run(state: Path) -> None:
    stop = StopRequest()
    async with pipeline(request(state), stop):
        _say("running")
        await stop.asked.wait()


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
