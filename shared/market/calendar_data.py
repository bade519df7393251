"""The calendar sheets that come with the program, read once on import.

This is the one module of the room that reads a file: packaged data cannot change while a process
lives, and everyone who imports the calendar needs it.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Final

#: Later sheets win over earlier ones: what a person read in a circular over what a library says.
PACKAGED: Final[tuple[tuple[str, bytes], ...]] = tuple(
    (name, files("shared.market").joinpath(name).read_bytes())
    for name in ("calendar_library.toml", "calendar_circulars.toml")
)
