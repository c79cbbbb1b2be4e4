"""What a person meets at the command line, before and after the work."""
