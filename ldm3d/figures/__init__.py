"""Pictures for people: plots, grids, sheets."""
