"""Fetched bytes to square images. The bytes are hostile: header first, then pixels, in separate processes."""

from ldm3d.decode.isolated import IsolatedDecoder
from ldm3d.decode.square import SquareImage, make_square

__all__ = ["IsolatedDecoder", "SquareImage", "make_square"]
