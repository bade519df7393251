"""What it is to be a worker process."""
