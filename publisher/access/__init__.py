"""Who may come in, what for, and how much of it."""
