"""What `ldm3d` alone does on one GPU, against what its users would write: `python -m benchmarks.gpu`."""
