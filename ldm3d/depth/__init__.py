"""Depth models: relative inverse depth for labels, metric depth for measures."""

from ldm3d.depth.relative import DepthEstimator, DepthLabels

__all__ = ["DepthEstimator", "DepthLabels"]
