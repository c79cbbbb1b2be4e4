"""DepthFusion: a panorama with depth, redrawn by a model or not, becomes a folder of files that show it as a place."""
