"""The parts of `rebuild_corpus`."""
