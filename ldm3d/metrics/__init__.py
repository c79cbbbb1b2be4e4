"""Metrics of pictures and depth, computed from tensors and from sums that add up."""
