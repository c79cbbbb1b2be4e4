"""Labels agree with transformers' post-processing for every family of depth models in the documentation."""

import numpy as np
import pytest
import torch
from transformers import ZoeDepthImageProcessor

from ldm3d.config import LabelConfig
from ldm3d.depth.relative import DepthEstimator, quantise
from tests.builders.small_depth_models import depth_anything, depth_pro, dpt, glpn, metric_depth_anything, zoedepth

pytestmark = pytest.mark.usefixtures("one_thread")

# Builder; side of its depth maps in pixels, so that nothing is resized; what post-processing returns.
FAMILIES = [
    (dpt, 32, "inverse depth"),  # MiDaS
    (depth_anything, 56, "inverse depth"),
    (metric_depth_anything, 56, "metres"),  # sigmoid x max_depth
    (glpn, 64, "metres"),  # sigmoid x max_depth
    (zoedepth, 64, "metres"),  # a mean of depths between min_depth and max_depth
    (depth_pro, 256, "metres"),  # 1 / predicted_depth, scaled by the field of view first if that is predicted
]


@pytest.mark.parametrize(("build", "side", "unit"), FAMILIES, ids=lambda value: getattr(value, "__name__", None))
def test_labels_are_what_post_processing_says_of_near_and_far(build, side, unit, tmp_path):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        build(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (2, side, side, 3), dtype=np.uint8)
    estimator = DepthEstimator.from_pretrained(LabelConfig(depth_model=str(tmp_path)))
    processor, sizes = estimator.processor, [(side, side)] * len(images)
    pixels = processor(images=[torch.from_numpy(image).permute(2, 0, 1) for image in images], return_tensors="pt")
    with torch.inference_mode():
        outputs = estimator.model(pixel_values=pixels["pixel_values"])
        named = {"source_sizes" if build is zoedepth else "target_sizes": sizes}
        processed = processor.post_process_depth_estimation(outputs, **named)
    depth = torch.stack([image["predicted_depth"] for image in processed])
    expected, labels = quantise(depth if unit == "inverse depth" else 1 / depth), estimator(images)
    assert len(np.unique(expected.depth)) > 500
    np.testing.assert_allclose(labels.depth, expected.depth.astype(float), atol=8)  # Depth Pro is cut off at 10 km


def test_padding_that_the_processor_adds_is_taken_off_again():
    """ZoeDepth's processor pads a picture of 128 pixels by reflection, with 24 pixels on each side."""

    class Bright(torch.nn.Module):
        """Predicts inverse depth equal to brightness."""

        device, dtype = torch.device("cpu"), torch.float32

        def forward(self, pixel_values):
            return type("Output", (), {"predicted_depth": pixel_values.mean(1)})

    images = np.zeros((1, 128, 128, 3), np.uint8)
    images[:, :, 32:96] = 255
    for padded in (True, False):
        processor = ZoeDepthImageProcessor(size={"height": 352, "width": 352}, ensure_multiple_of=32, do_pad=padded)
        depth = DepthEstimator(Bright(), processor, inverts=False)(images).depth[0]
        near = np.flatnonzero(depth[64] > 32_767)
        np.testing.assert_allclose([near[0], near[-1]], [32, 95], atol=1)
