"""docs/failure-modes.md names a test for every row, and every test it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = re.findall(
    r"^\| (\d+) \| [^|]+ \| [^|]+ \| ([^|]+) \|$",
    (ROOT / "docs" / "failure-modes.md").read_text(),
    re.MULTILINE,
)


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, kinds))


def test_page_has_every_row_of_the_catalogue_once() -> None:
    assert [int(number) for number, _ in ROWS] == list(range(1, 26))


@pytest.mark.parametrize(("number", "shown"), ROWS, ids=[number for number, _ in ROWS])
def test_row_names_tests_that_exist(number: str, shown: str) -> None:
    named = re.findall(r"`(tests/[^`:]+)::(test_[^`]+)`", shown)
    assert named
    assert len(named) == len(re.findall("`", shown)) // 2, f"row {number}: not a test: {shown}"
    missing = [f"{path}::{name}" for path, name in named if name not in functions_in(path)]
    assert not missing
