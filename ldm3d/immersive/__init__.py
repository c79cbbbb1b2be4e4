"""DepthFusion: from a picture with depth to a place that one can look around in (arXiv 2305.10853, section 3.2)."""
