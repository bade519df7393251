"""Start a publisher: `python -m publisher`."""

import sys

from publisher.settings import PublisherSettings
from publisher.worker import build
from shared.runtime.run import main

if __name__ == "__main__":
    sys.exit(main("publisher", PublisherSettings, build, drain_timeout_s=30))
