"""The parts of both trainings and of `export`."""
