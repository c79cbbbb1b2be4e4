"""LDM3D (arXiv 2305.10853): text to an image and its depth map. The method, without Ray."""
