"""Figures of an evaluation for people: tables, plots, a page, what changed since the last run."""
