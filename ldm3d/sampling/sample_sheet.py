"""A contact sheet of samples: generated image, generated depth in colours, prompt and seed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ldm3d.figures import contact_sheet

if TYPE_CHECKING:
    from ldm3d.sampling import Sample


def sample_sheet(samples: "Sequence[Sample]", title: str = "", columns: int = 4) -> bytes:
    """Return a PNG of samples side by side under a title, each as image | depth above its prompt.

    Raises:
        ValueError: there are no samples.
    """
    shown = [contact_sheet.Sample(sample.image, sample.depth, _caption(sample)) for sample in samples]
    return contact_sheet.contact_sheet(shown, columns, title)


def _caption(sample: "Sample") -> str:
    return f"seed {sample.seed}{'' if sample.is_finite else ', NOT FINITE'}: {sample.prompt}"
