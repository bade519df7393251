"""Long runs under random faults, with invariants."""
