"""The style guide as far as a machine can read it."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("ingest", "enrich", "executor", "publisher", "shared", "deploy")
FILE_LINES_MAX = 400
BODY_LINES_MAX = 45
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc", "base", "core", "models", "services"}
#: Mathematics, bytes: sizes do not bind them.
LONG_BODIES_ALLOWED = ("enrich/kernels", "shared/kite/codec")
BROAD_CATCH_ALLOWED = ("shared/runtime",)


def sources() -> list[Path]:
    return sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", sources(), ids=named)
def test_source_file_keeps_the_style_guide(path: Path) -> None:
    text = path.read_text()
    tree = ast.parse(text)
    assert path.stem not in FORBIDDEN_NAMES, "a drawer, not a room"
    assert text.count("\n") <= FILE_LINES_MAX, f"over {FILE_LINES_MAX} lines: two files"
    assert ast.get_docstring(tree), "a module says in one sentence what lives here"
    if not named(path).startswith(LONG_BODIES_ALLOWED):
        long = [f.name for f in functions(tree) if body_lines(f) > BODY_LINES_MAX]
        assert not long, f"bodies over {BODY_LINES_MAX} lines: {long}"
    for word in ("TODO", "FIXME", "NotImplementedError"):
        assert word not in text, f"{word}: finish it"


@pytest.mark.parametrize("path", sources(), ids=named)
def test_broad_except_lives_only_in_the_runtime(path: Path) -> None:
    if named(path).startswith(BROAD_CATCH_ALLOWED):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type else "everything"
            assert caught not in {"Exception", "BaseException", "everything"}, f"line {node.lineno}"


@pytest.mark.parametrize("path", sources(), ids=named)
def test_only_the_clock_asks_the_time(path: Path) -> None:
    if named(path) == "shared/clock.py":
        return
    asked = {"time.time", "time.time_ns", "time.monotonic", "time.perf_counter", "datetime.now"}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in asked, f"line {node.lineno}: take a Clock"


def test_every_package_says_what_it_is_and_exports_nothing() -> None:
    for init in sorted(path for room in ROOMS for path in (ROOT / room).rglob("__init__.py")):
        body = ast.parse(init.read_text()).body
        assert len(body) == 1, f"{named(init)}: one docstring, nothing else"


def _tree(skipped: set[str]) -> Iterator[Path]:
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in skipped]
        yield from (Path(folder) / name for name in names)


def test_no_file_names_a_machine_or_an_index() -> None:
    # Spelled in parts so that this file does not find itself.
    wanted = ("/ro" + "ot/", "index" + "-url", "pypi" + ".org", "find" + "-links /")
    skipped = {".git", ".venv", "build", ".tickflow", "__pycache__", ".mypy_cache", ".ruff_cache"}
    for path in _tree(skipped):
        if path.suffix in {".py", ".md", ".toml", ".in", ".lock", ".conf", ".sql", ".yaml"}:
            text = path.read_text()
            found = [word for word in wanted if word in text]
            assert not found, f"{path.relative_to(ROOT)}: {found}"
