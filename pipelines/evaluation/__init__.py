"""The parts of the stage `evaluate`."""
