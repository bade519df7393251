"""What is written down before and after the broker is asked, and told of it."""
