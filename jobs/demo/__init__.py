"""The demo: every stage for real on two cores."""
