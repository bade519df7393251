"""The alert rules as Prometheus' own tool reads and tries them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PROMETHEUS = Path(__file__).resolve().parents[3] / "deploy" / "prometheus"
#: Far beyond the seconds it takes.
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool on PATH")
    return found


@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "prometheus.yml"),
        ("check", "rules", "rules.yml"),
        *(("test", "rules", each.name) for each in sorted(PROMETHEUS.glob("*_test.yml"))),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong(promtool: str, words: tuple[str, ...]) -> None:
    said = subprocess.run(
        [promtool, *words],
        cwd=PROMETHEUS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert said.returncode == 0, said.stdout
    assert "SUCCESS" in said.stdout
