"""The distance of perceptual hashes."""


def hamming(a: int, b: int) -> int:
    """Count the bits, of 64, in which two hashes differ."""
    return ((a ^ b) & (2**64 - 1)).bit_count()
