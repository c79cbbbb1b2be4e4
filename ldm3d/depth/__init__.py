"""Depth models: relative inverse depth for labels, metres for measures."""
