"""A small world to run every stage on: scenes with exact depth, a faulty web that serves them, and small models."""
