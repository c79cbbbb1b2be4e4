"""Every family of depth models that the documentation names: labels are what transformers' post-processing says."""

import numpy as np
import pytest
import torch
from transformers import (
    BeitConfig,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    DepthProImageProcessor,
    Dinov2Config,
    DPTImageProcessor,
    GLPNConfig,
    GLPNForDepthEstimation,
    GLPNImageProcessor,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
    ZoeDepthImageProcessor,
)

from ldm3d.config import LabelConfig
from ldm3d.depth import DepthEstimator, quantise
from ldm3d.toy.depth_model import tiny_depth_model

pytestmark = pytest.mark.usefixtures("one_thread")

STAGES = ["stage1", "stage2", "stage3", "stage4"]
SMALL = {"hidden_size": 16, "num_attention_heads": 2}


def dpt(folder):
    tiny_depth_model(folder)


def glpn(folder):
    config = GLPNConfig(depths=[1] * 4, hidden_sizes=[8] * 4, num_attention_heads=[1] * 4, decoder_hidden_size=8)
    save(GLPNForDepthEstimation(config), GLPNImageProcessor(), folder)


def zoedepth(folder):
    backbone = BeitConfig(
        image_size=96,
        patch_size=16,
        num_hidden_layers=4,
        intermediate_size=16,
        out_features=STAGES,
        reshape_hidden_states=False,
        **SMALL,
    )
    config = ZoeDepthConfig(
        backbone_config=backbone,
        neck_hidden_sizes=[8] * 4,
        fusion_hidden_size=8,
        bottleneck_features=8,
        num_relative_features=8,
        bin_embedding_dim=8,
        num_attractors=[2] * 4,
        bin_configurations=[{"n_bins": 8, "min_depth": 0.5, "max_depth": 10.0, "name": None}],
    )
    processor = ZoeDepthImageProcessor(size={"height": 96, "width": 96}, ensure_multiple_of=32)
    save(ZoeDepthForDepthEstimation(config), processor, folder)


def depth_pro(folder):
    encoder = {"model_type": "dinov2", "num_hidden_layers": 2, "mlp_ratio": 1, "image_size": 16, "patch_size": 4}
    config = DepthProConfig(
        fusion_hidden_size=8,
        patch_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_feature_dims=[8, 8, 8],
        merge_padding_value=1,
        **{f"{part}_model_config": encoder | SMALL for part in ("image", "patch", "fov")},
    )
    save(DepthProForDepthEstimation(config), DepthProImageProcessor(size={"height": 64, "width": 64}), folder)


def depth_anything(folder, kind="relative"):
    backbone = Dinov2Config(
        image_size=56,
        patch_size=14,
        num_hidden_layers=4,
        mlp_ratio=1,
        out_features=STAGES,
        reshape_hidden_states=False,
        **SMALL,
    )
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=16,
        neck_hidden_sizes=[8] * 4,
        fusion_hidden_size=8,
        head_hidden_size=8,
        depth_estimation_type=kind,
        max_depth=20,
    )
    save(DepthAnythingForDepthEstimation(config), DPTImageProcessor(size={"height": 56, "width": 56}), folder)


def metric_depth_anything(folder):
    depth_anything(folder, "metric")


def save(model, processor, folder):
    """Saved with larger weights than a new model has, and live ReLUs, or its depth would be flat."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, weight[0].numel() ** -0.5)
            elif name.endswith("bias"):
                weight.fill_(0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)


# What builds it; the side of its depth maps in pixels, so that nothing is resized; what post-processing returns.
FAMILIES = [
    (dpt, 32, "inverse depth"),  # MiDaS
    (depth_anything, 56, "inverse depth"),
    (metric_depth_anything, 56, "metres"),  # sigmoid x max_depth
    (glpn, 64, "metres"),  # sigmoid x max_depth
    (zoedepth, 64, "metres"),  # a mean of depths between min_depth and max_depth
    (depth_pro, 256, "metres"),  # 1 / predicted_depth, after scaling it by the field of view, if that is predicted
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
    """ZoeDepth's processor reflects the picture's edges outwards, by 24 of 128 pixels on each side."""

    class Bright(torch.nn.Module):
        """Inverse depth that is as large as a pixel is bright."""

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
