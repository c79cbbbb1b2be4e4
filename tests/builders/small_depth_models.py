"""Depth models of every family with random weights, in transformers' format; a picture takes milliseconds."""

import torch
from transformers import (
    AutoModelForDepthEstimation,
    BeitConfig,
    CHMv2Config,
    CHMv2ForDepthEstimation,
    CHMv2ImageProcessor,
    DepthAnythingConfig,
    DepthAnythingForDepthEstimation,
    DepthProConfig,
    DepthProForDepthEstimation,
    DepthProImageProcessor,
    Dinov2Config,
    DINOv3ViTConfig,
    DPTConfig,
    DPTForDepthEstimation,
    DPTImageProcessor,
    GLPNConfig,
    GLPNForDepthEstimation,
    GLPNImageProcessor,
    PromptDepthAnythingConfig,
    PromptDepthAnythingForDepthEstimation,
    PromptDepthAnythingImageProcessor,
    Tipsv2DptConfig,
    Tipsv2DptForDepthEstimation,
    Tipsv2DptImageProcessor,
    Tipsv2VisionConfig,
    ZoeDepthConfig,
    ZoeDepthForDepthEstimation,
    ZoeDepthImageProcessor,
)

from ldm3d.toy.depth_model import tiny_depth_model
from ldm3d.toy.metric_depth_model import to_metres

STAGES = ["stage1", "stage2", "stage3", "stage4"]
SMALL = {"hidden_size": 16, "num_attention_heads": 2}


def dpt(folder):
    tiny_depth_model(folder)


def tiny_metric_depth_model(folder):
    """Save the tiny model as one that predicts metres."""
    tiny_depth_model(folder)
    model = AutoModelForDepthEstimation.from_pretrained(folder)
    to_metres(model)
    model.save_pretrained(folder)


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


def depth_pro(folder, use_fov_model=False):
    encoder = {"model_type": "dinov2", "num_hidden_layers": 2, "mlp_ratio": 1, "image_size": 16, "patch_size": 4}
    config = DepthProConfig(
        fusion_hidden_size=8,
        patch_size=16,
        intermediate_hook_ids=[1, 0],
        intermediate_feature_dims=[8, 8],
        scaled_images_feature_dims=[8, 8, 8],
        merge_padding_value=1,
        use_fov_model=use_fov_model,
        **{f"{part}_model_config": encoder | SMALL for part in ("image", "patch", "fov")},
    )
    model, processor = DepthProForDepthEstimation(config), DepthProImageProcessor(size={"height": 64, "width": 64})
    save(model, processor, folder)
    if use_fov_model:
        model.fov_model.head.layers[-1].bias.data.fill_(60)  # degrees
        model.save_pretrained(folder)


def depth_anything(folder, kind="relative"):
    config = DepthAnythingConfig(**_of_depth_anything(), depth_estimation_type=kind, max_depth=20)
    save(DepthAnythingForDepthEstimation(config), DPTImageProcessor(size={"height": 56, "width": 56}), folder)


def metric_depth_anything(folder):
    depth_anything(folder, "metric")


def prompt_depth_anything(folder):
    model = PromptDepthAnythingForDepthEstimation(PromptDepthAnythingConfig(**_of_depth_anything()))
    save(model, PromptDepthAnythingImageProcessor(size={"height": 56, "width": 56}), folder)


def _of_depth_anything():
    backbone = Dinov2Config(
        image_size=56,
        patch_size=14,
        num_hidden_layers=4,
        mlp_ratio=1,
        out_features=STAGES,
        reshape_hidden_states=False,
        **SMALL,
    )
    return {
        "backbone_config": backbone,
        "reassemble_hidden_size": 16,
        "neck_hidden_sizes": [8] * 4,
        "fusion_hidden_size": 8,
        "head_hidden_size": 8,
    }


def dpt_on_dinov2(folder):
    """Save DPT on DINOv2, whose processor pads pictures to whole patches."""
    backbone = Dinov2Config(
        image_size=112,
        patch_size=28,  # of real ones 14: this is for speed
        num_hidden_layers=4,
        mlp_ratio=1,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=False,
        reshape_hidden_states=False,
        **SMALL,
    )
    config = DPTConfig(backbone_config=backbone, neck_hidden_sizes=[8] * 4, fusion_hidden_size=8)
    save(DPTForDepthEstimation(config), DPTImageProcessor(do_resize=False, do_pad=True, size_divisor=28), folder)


def tipsv2_dpt(folder):
    backbone = Tipsv2VisionConfig(
        image_size=56,
        patch_size=14,
        num_hidden_layers=4,
        out_indices=[1, 2, 3, 4],
        apply_layernorm=True,
        reshape_hidden_states=False,
        **SMALL,
    )
    config = Tipsv2DptConfig(
        backbone_config=backbone, neck_hidden_sizes=[8] * 4, fusion_hidden_size=8, num_depth_bins=16
    )
    save(Tipsv2DptForDepthEstimation(config), Tipsv2DptImageProcessor(size={"height": 56, "width": 56}), folder)


def chmv2(folder):
    backbone = DINOv3ViTConfig(
        image_size=64,
        intermediate_size=16,
        num_hidden_layers=4,
        num_register_tokens=1,
        out_indices=[1, 2, 3, 4],
        reshape_hidden_states=True,
        apply_layernorm=True,
        return_class_token=True,
        **SMALL,
    )
    config = CHMv2Config(
        backbone_config=backbone,
        post_process_channels=[8] * 4,
        fusion_hidden_size=8,
        head_hidden_size=8,
        number_output_channels=8,
    )
    save(CHMv2ForDepthEstimation(config), CHMv2ImageProcessor(), folder)


def save(model, processor, folder):
    """Save a model with larger weights than a new one has, and live ReLUs; its depth would be flat otherwise."""
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim > 1:
                weight.normal_(0, weight[0].numel() ** -0.5)
            elif name.endswith("bias"):
                weight.fill_(0.1)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
