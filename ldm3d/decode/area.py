"""OpenCV's area filter, for pictures that are shrunk: each pixel is the mean of what it covers."""

from types import ModuleType

from ldm3d.decode.compiled import CompiledResizer, Shape


class Area(CompiledResizer):
    """`cv2.INTER_AREA` of bytes, between sizes that are no multiples of each other, in a third to a half the time."""

    def __init__(self) -> None:
        """Compile nothing yet."""
        super().__init__("INTER_AREA", (((15, 23), (10, 15)), ((40, 31), (37, 29)), ((67, 50), (20, 15))))

    def suits(self, before: Shape, after: Shape) -> bool:
        """Whether it is ready, and OpenCV would compute these sizes in this way: it has another one for whole factors.

        Shrinking by whole factors on both axes is as fast there as it can be.
        """
        return super().suits(before, after) and any(b % a for b, a in zip(before[:2], after[:2], strict=True))

    def passes(self) -> ModuleType:
        """Import the arithmetic."""
        from ldm3d.decode import area_passes

        return area_passes


AREA = Area()
