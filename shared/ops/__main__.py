"""The `tickflow` command; `python -m shared.ops` is the same."""

from __future__ import annotations

import sys
from types import TracebackType

from shared.ops.root import cli


def main() -> None:
    """Run the command line and leave with its exit code."""
    if not sys.flags.dev_mode:
        sys.excepthook = _one_sentence
    cli.main(prog_name="tickflow")


def _one_sentence(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """Tell a bug in one line; `python -X dev -m shared.ops ...` shows where it comes from."""
    place = ""
    while trace is not None:
        place = f" at {trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"
        trace = trace.tb_next
    sys.stderr.write(f"tickflow: a bug: {kind.__name__}: {error}{place}\n")


if __name__ == "__main__":
    main()
