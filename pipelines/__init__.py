"""How each stage runs on Ray."""
