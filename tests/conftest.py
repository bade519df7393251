"""What every test may ask for."""

from hypothesis import settings

pytest_plugins = ["tests.support.servers", "tests.support.skips"]

# How long an example takes says nothing about whether it holds: the first one may compile.
settings.register_profile("tickflow", deadline=None)
settings.load_profile("tickflow")
