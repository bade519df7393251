"""State directories that leave nothing behind."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.postgres_home import outside_place


@pytest.fixture
def state() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="tickflow-state-"))
    yield path
    for place in (outside_place(path / "postgres"), path):
        shutil.rmtree(place, ignore_errors=True)
