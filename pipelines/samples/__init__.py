"""The parts of `generate`."""
