"""What one subscriber asks for and is answered, whatever its connection is."""
