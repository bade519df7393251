"""The mathematics of options, jitted and staged."""
