"""`tickflow up` goes on as the local run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from shared.ops.local_run import ROOT


def test_up_becomes_the_local_run_wherever_one_stands(tmp_path: Path) -> None:
    # A folder that only looks like ours must not be run.
    decoy = tmp_path / "deploy" / "local"
    decoy.mkdir(parents=True)
    (decoy / "__main__.py").write_text("raise SystemExit(99)")
    done = subprocess.run(
        [sys.executable, "-P", "-m", "shared.ops", "up", "--duration", "1", "--no-view"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TICKFLOW_LOCAL__NIX": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("local: TICKFLOW_LOCAL__NIX is not a setting")
