"""The parts of `depth_fusion`."""
