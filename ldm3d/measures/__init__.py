"""Networks that measure pictures: a row of numbers per picture, from which `ldm3d.metrics` computes scores of sets."""

from ldm3d.measures.batch import Batch, Network

__all__ = ["Batch", "Network"]
