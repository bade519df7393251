"""A command line without a terminal, an environment without surprises."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shared.clock import ManualClock
from shared.ops.root import cli
from shared.ops.session import Session

Run = Callable[..., Result]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Give an environment in which no pipeline runs here."""
    return {"TICKFLOW_LOCAL__STATE_DIR": str(tmp_path / "nowhere")}


@pytest.fixture
def run(environ: dict[str, str]) -> Run:
    """Give what runs a command line: `run("status", "--json", TICKFLOW_OPS__PROBES="...")`."""

    def call(*words: str, **extra: str) -> Result:
        given: Mapping[str, str] = {**environ, **extra}
        session = Session(environ=given, clock=ManualClock(1_764_000_000_000_000_000))
        return CliRunner().invoke(cli, list(words), obj=session, prog_name="tickflow")

    return call
