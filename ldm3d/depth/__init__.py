"""Depth models: relative inverse depth for labels, metric depth for measures."""
