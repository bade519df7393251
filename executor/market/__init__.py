"""What is known of instruments and their prices."""
