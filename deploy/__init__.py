"""What puts the pipeline on a machine."""
