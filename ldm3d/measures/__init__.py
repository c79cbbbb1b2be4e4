"""What networks see in pictures: one row of numbers for each, of which `ldm3d.metrics` makes figures of whole sets."""

from ldm3d.measures.batch import Batch, Measure

__all__ = ["Batch", "Measure"]
