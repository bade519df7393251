"""`python docs/generate.py`: write every generated page; `--check` only says which are stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from shared.wire import reference  # noqa: E402  # the checkout is not installed


def pages() -> dict[Path, str]:
    """Return every generated file with the text it should have."""
    return {
        ROOT / "docs" / "wire.md": reference.markdown(),
        ROOT / "docs" / "wire.json": json.dumps(reference.machine_readable(), indent=1) + "\n",
    }


def stale() -> list[Path]:
    """Return the generated files whose text is not what it should be."""
    return [path for path, text in pages().items() if not path.exists() or path.read_text() != text]


if __name__ == "__main__":
    behind = stale()
    if "--check" not in sys.argv:
        for path in behind:
            path.write_text(pages()[path])
    for path in behind:
        print(path.relative_to(ROOT))  # noqa: T201  # the reader is at a terminal
    sys.exit(1 if behind and "--check" in sys.argv else 0)
