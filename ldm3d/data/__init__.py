"""What training sees, and in which order."""
