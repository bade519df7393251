"""An account as a worker holds it."""
