"""Duplicates: rows with the same fetched bytes, and rows whose pictures look alike."""
