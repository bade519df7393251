"""What may leave and why not, what may become of it: judgements, pure."""
