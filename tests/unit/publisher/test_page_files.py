"""The page's files are what is recorded, and load nothing from elsewhere."""

import hashlib
import re
import tomllib
from pathlib import Path

import publisher.page
from publisher.page.site import FILES

PAGE = Path(publisher.page.__file__).parent
VENDOR = PAGE / "vendor"
RECORD = tomllib.loads((VENDOR / "uPlot.toml").read_text())


def test_the_charting_library_is_the_one_that_is_recorded() -> None:
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.iterdir()
        if path.suffix != ".toml"
    }
    assert found == RECORD["sha256"]
    assert RECORD["version"].encode() in (VENDOR / "uPlot.iife.min.js").read_bytes()[:200]
    assert "MIT License" in (VENDOR / "LICENSE.uPlot").read_text()


def test_our_files_name_no_other_host() -> None:
    for name in FILES:
        text = (PAGE / name).read_text()
        if not name.startswith("vendor/"):
            assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text) == [], name
            assert " style=" not in text, f"{name}: the policy allows no inline style"
            assert "innerHTML" not in text, f"{name}: text is set as text"


def test_every_file_of_ours_is_served() -> None:
    ours = {path.name for path in PAGE.iterdir() if path.suffix in {".js", ".css", ".html", ".svg"}}
    assert ours == {name for name in FILES if "/" not in name}
