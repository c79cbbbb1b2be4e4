"""OpenCV's Lanczos resizing, for pictures that are enlarged: OpenCV computes it one number at a time."""

from types import ModuleType

from ldm3d.decode.compiled import CompiledResizer


class Lanczos(CompiledResizer):
    """`cv2.INTER_LANCZOS4` of bytes, in a quarter of the time."""

    def __init__(self) -> None:
        """Compile nothing yet."""
        super().__init__("INTER_LANCZOS4", (((7, 11), (16, 22)), ((23, 9), (54, 21)), ((31, 40), (33, 43))))

    def passes(self) -> ModuleType:
        """Import the arithmetic."""
        from ldm3d.decode import lanczos_passes

        return lanczos_passes


LANCZOS = Lanczos()
