"""What is submitted: one entry point per stage."""
