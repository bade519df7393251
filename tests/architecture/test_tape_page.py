"""docs/tapes.md describes the tapes that are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.ops.record import start
from shared.wire import tape
from shared.wire.reference import _layout

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "tapes.md").read_text()


@pytest.mark.parametrize("layout", tape.LAYOUTS, ids=lambda layout: layout.name)
def test_page_has_the_table_of_a_layout(layout) -> None:
    assert _layout(layout).replace("## Layout", "### Layout", 1).rstrip() in PAGE


@pytest.mark.parametrize(
    "flag", ["--rotate-mib", "--rotate-minutes", "--sync-s", "--keep-free-mib"]
)
def test_page_says_the_default_of_a_flag(flag: str) -> None:
    (option,) = [option for option in start.params if flag in option.opts]
    (row,) = [line for line in PAGE.splitlines() if line.endswith(f"| `{flag}` |")]
    assert f"| {option.default:g} " in row


@pytest.mark.parametrize("kind", tape.BlockKind)
def test_page_lists_every_kind_of_block(kind: tape.BlockKind) -> None:
    assert f"\n| {kind.value} | " in PAGE
