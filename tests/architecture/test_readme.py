"""The README says what the files say."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()


def test_examples_in_the_readme_are_the_ones_that_are_run() -> None:
    blocks = re.findall(r"```python\n(.*?)\n```", README, re.DOTALL)
    examples = [
        (ROOT / "docs" / "examples" / name).read_text().rstrip()
        for name in ("consumer.py", "producer.py")
    ]
    assert blocks == examples


def test_every_file_linked_from_the_pages_exists() -> None:
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text()):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"


def test_make_commands_in_the_pages_exist() -> None:
    words = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *sorted((ROOT / "docs").glob("*.md")),
    ]:
        for word in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text(), re.MULTILINE):
            assert word in words, f"{page.name}: make {word}"


def test_metrics_named_in_the_pages_are_declared() -> None:
    declared = "\n".join(path.read_text() for path in ROOT.glob("*/metrics.py"))
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for name in re.findall(
            r"tickflow_(?:ingest|enrich|executor|publisher)_\w+", page.read_text()
        ):
            assert f'"{name}"' in declared, f"{page.name}: {name}"
