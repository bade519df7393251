"""The operator's hand: the tickflow command."""
