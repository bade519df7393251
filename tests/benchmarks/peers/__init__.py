"""Other implied-volatility solvers, each in an environment of its own, on the same options."""
