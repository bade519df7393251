"""The executor process."""

from __future__ import annotations

import sys

from executor.settings import ExecutorSettings
from executor.wiring import DRAIN_TIMEOUT_S, build
from shared.runtime.run import main

if __name__ == "__main__":
    sys.exit(main("executor", ExecutorSettings, build, drain_timeout_s=DRAIN_TIMEOUT_S))
