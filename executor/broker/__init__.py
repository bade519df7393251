"""What is asked of the broker, in which order, how fast, from where."""
