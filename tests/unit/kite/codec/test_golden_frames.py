from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import pytest

from shared.kite.codec.decode import decode_frame

GOLDEN = Path(__file__).parents[3] / "golden" / "kite"
METADATA: dict[str, dict[str, Any]] = json.loads((GOLDEN / "metadata.json").read_text())


def plain(found: Any) -> Any:
    """Return a field as JSON has it: NaN is null."""
    if found.ndim:
        return [plain(item) for item in found]
    number = found.item()
    return None if isinstance(number, float) and math.isnan(number) else number


@pytest.mark.parametrize("name", METADATA)
def test_golden_frame_decodes_to_its_documented_values(name: str) -> None:
    ticks = decode_frame((GOLDEN / f"{name}.bin").read_bytes())
    wanted = json.loads((GOLDEN / f"{name}.json").read_text())
    assert len(ticks) == len(wanted)
    for row, facts in zip(ticks, wanted, strict=True):
        assert {field: plain(row[field]) for field in facts} == facts


@pytest.mark.parametrize("name", METADATA)
def test_golden_frame_is_the_one_its_metadata_describes(name: str) -> None:
    payload = (GOLDEN / f"{name}.bin").read_bytes()
    assert len(payload) == METADATA[name]["bytes"]
    assert hashlib.sha256(payload).hexdigest() == METADATA[name]["sha256"]


def test_golden_frames_are_all_described() -> None:
    assert {path.stem for path in GOLDEN.glob("*.bin")} == set(METADATA)


def test_golden_full_frame_begins_with_the_documented_bytes() -> None:
    documented = (
        "00063a01 000266ba 00000007 0002656d 00123217 0003e9bb 00058a01"
        "000264f3 0002673c 000261c9 0002646c 60e2947f"
    )
    payload = (GOLDEN / "infy_full.bin").read_bytes()
    assert payload[4:52] == bytes.fromhex(documented)
