"""What the broker says of its orders, compared with the journal until nothing is in doubt."""
