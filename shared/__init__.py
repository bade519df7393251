"""What more than one worker stands on."""
