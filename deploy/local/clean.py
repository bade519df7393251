"""Removes what local runs left behind."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from deploy.local.claim import claim
from deploy.local.postgres_home import outside_place


async def remove_state(state: Path) -> list[Path]:
    """Remove the state directory with what lies outside it; return what was removed.

    Raises:
        LocalError: a live run uses it.
    """
    places = _places(state)
    if not places:
        return []
    async with claim(state):
        for place in places:
            shutil.rmtree(place)
    return places


def _places(state: Path) -> list[Path]:
    # Only root's data lies outside: see postgres_home.
    outside = [outside_place(state / "postgres")] if os.geteuid() == 0 else []
    return [place for place in (*outside, state) if place.exists()]
