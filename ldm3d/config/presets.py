"""The presets of each stage: the settings that differ from the defaults, with the expected result in the comment.

Numbers of the paper (arXiv 2305.10853) come from `ldm3d.results.paper`, those of the toy from `make demo`. There are
none for `ldm3d-4c`.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from ldm3d.config.autoencoder import AutoencoderConfig, AutoencoderLossConfig, PerceptualConfig
from ldm3d.config.corpus import ClusterConfig, CorpusConfig, DownloadConfig, LabelConfig, ShardConfig
from ldm3d.config.depth_fusion import DepthFusionConfig
from ldm3d.config.diffusion import (
    DenoisingLossConfig,
    DiffusionConfig,
    DiffusionModelConfig,
    EmaConfig,
    SamplesConfig,
)
from ldm3d.config.evaluate import (
    ClipConfig,
    DepthConfig,
    EvaluateConfig,
    InceptionConfig,
    ReconstructionConfig,
    ReportConfig,
)
from ldm3d.config.export import ExportConfig
from ldm3d.config.generate import GenerateConfig, GeneratorConfig, SamplingConfig
from ldm3d.config.latents import EncodeConfig, LatentsConfig, TrainedAutoencoderConfig
from ldm3d.config.select import SelectConfig
from ldm3d.config.serve import DefaultsConfig, ServeConfig
from ldm3d.config.training import LoopConfig, ModelConfig, OptimiserConfig

Presets = dict[str, dict[str, Any]]

PRESETS: Presets = {
    # The paper: 8,233 train and 2,059 validation images of LAION-400M at 512 x 512, labelled by DPT-Large at 384.
    # Expect fewer images than the 10,292 rows sampled: links rot.
    "ldm3d": {"preset": "ldm3d", "select": SelectConfig(sample=10_292, min_similarity=0.3, min_size=512)},
    # The 4-channel model uses the same corpus: the channels are formed when training reads it.
    "ldm3d-4c": {"preset": "ldm3d-4c", "select": SelectConfig(sample=10_292, min_similarity=0.3, min_size=512)},
    # Every step for real, in minutes: 32 x 32 images of procedural scenes, a 0.72 M-parameter DPT, a web on loopback.
    # Depth labels of 24 unseen scenes: mean absolute error 0.028, of a range of 1.
    "toy": {
        "preset": "toy",
        "select": SelectConfig(min_size=16, max_aspect_ratio=3.0, min_similarity=0.2),
        "download": DownloadConfig(
            image_size=32,
            timeout_s=2.0,
            deadline_s=6.0,
            max_pause_s=6.0,
            max_bytes=4 * 2**20,
            backoff_s=0.2,
            threads=32,
            per_host=32,
            breaker_failures=1_000,
        ),
        "label": LabelConfig(depth_model="runs/demo/models/depth", batch_size=16),  # `make demo` trains it
        "shards": ShardConfig(rows=64, row_group_rows=32),
        "cluster": ClusterConfig(no_progress_timeout_s=120.0),
    },
}

# Where depth comes from: `--label.preset`. A licence of the model extends to the labels (`ldm3d.depth.licence`).
LABEL: Presets = {
    # The paper's (arXiv 2103.13413): relative, at 384 pixels.
    "dpt-large": {"depth_model": "Intel/dpt-large"},
    # arXiv 2406.09414: relative, at 518 pixels. The small one, which alone of its family is free to use.
    "depth-anything-v2": {"depth_model": "depth-anything/Depth-Anything-V2-Small-hf"},
    # arXiv 2410.02073: 1 / m, at 1,536 pixels, hence the smaller batch. Its licence allows research alone.
    "depth-pro": {"depth_model": "apple/DepthPro-hf", "batch_size": 4},
    # No model: depth of your own, with --label.predicts.
    "column": {"column": "depth"},
}

AUTOENCODER: Presets = {
    # The paper: Adam at 1e-5, batches of 8, 83 epochs of 8,233 samples: 85,407 steps, 41 % of them adversarial.
    # Table 3, on 27,265 pictures: rFID 1.966, depth Abs.Rel. 0.179 (before fine-tuning, RGB alone: rFID 0.763).
    "ldm3d": {},
    "ldm3d-4c": {"model": ModelConfig(channels=4)},
    # A few minutes on two cores, from untrained weights.
    # Validation scenes: PSNR 32.9 dB, mean absolute error of reconstructed depth 0.017, of a range of 1.
    "toy": {
        "model": ModelConfig(base="runs/demo/models/base"),  # `ldm3d.toy.diffusion_model.make_base_model` makes one
        "loss": AutoencoderLossConfig(
            perceptual=PerceptualConfig(network="squeeze", weights="random", rgb_weight=0.1, depth_weight=0.0),
            rgb_weight=3.0,
            zero_weight=0.2,
            low_weight=0.05,
            adversarial_weight=0.1,
            discriminator_start=1_490,
            discriminator_filters=16,
            discriminator_layers=2,
            discriminator_norm="group",
        ),
        # Small batches: the colours of small objects take many steps.
        "optimiser": OptimiserConfig(learning_rate=3e-3, betas=(0.9, 0.99), warmup_steps=300, decay="linear"),
        "loop": LoopConfig(epochs=16, batch_size=8, lanes=2, checkpoint_every=500),
    },
}

LATENTS: Presets = {
    # The autoencoders that the authors published; give your own as --model.autoencoder.
    "ldm3d": {},
    "ldm3d-4c": {"model": TrainedAutoencoderConfig(autoencoder="Intel/ldm3d-4c")},
    "toy": {
        "model": TrainedAutoencoderConfig(autoencoder="runs/demo/autoencoder"),  # as `make demo` trains it
        "encode": EncodeConfig(batch_size=32),
    },
}

DIFFUSION: Presets = {
    # The paper: Adam at 1e-5, batches of 32, 178 epochs of 8,233 samples: 45,746 steps.
    # Table 1, on 30,000 pictures: FID 27.82, Inception Score 28.79 ± 0.49, CLIP similarity 26.61 ± 2.92.
    # Table 2, on 6,000 pictures: depth AbsRel 0.0911, RMSE 0.334 m (DPT-Large on the same: 0.0779, 0.297 m).
    "ldm3d": {},
    "ldm3d-4c": {},  # the channels are those of the autoencoder
    # Minutes on two cores, from untrained weights. From captions of 200 unseen scenes: skies and floors all as
    # captioned, objects 91 %; depth is off by 0.018, of a range of 1, from what the depth model sees in the sample.
    "toy": {
        "model": DiffusionModelConfig(base="runs/demo/models/base", latent_scale="measured"),
        # Which object has which colour is decided at high noise, where epsilon says little: v learns it much faster.
        "loss": DenoisingLossConfig(prediction="v_prediction"),
        "ema": EmaConfig(decay=0.99),
        "samples": SamplesConfig(num_inference_steps=30, guidance_scale=2.0, every_epochs=8),
        "optimiser": OptimiserConfig(learning_rate=2e-3, betas=(0.9, 0.99), warmup_steps=50, decay="linear"),
        "loop": LoopConfig(epochs=32, batch_size=32, lanes=2, checkpoint_every=200),
    },
}


GENERATE: Presets = {
    # The paper: 50 steps of DDIM at guidance 5, 512 x 512, with the models that the authors published.
    # Results as under DIFFUSION, for the toy too.
    "ldm3d": {},
    "ldm3d-4c": {"model": GeneratorConfig(model=("Intel/ldm3d-4c",))},
    "toy": {
        "model": GeneratorConfig(model=("runs/demo/diffusion/model",)),  # as `make demo` trains it
        "sampling": SamplingConfig(scheduler="dpmpp", num_inference_steps=(10,), guidance_scale=(2.0,), batch_size=32),
    },
}


EVALUATE: Presets = {
    # The paper: FID, IS and CLIP on 30,000 captions of COCO, depth on 6,000 of them against ZoeDepth-N. Results
    # as under AUTOENCODER and DIFFUSION; the report puts them beside yours.
    "ldm3d": {},
    "ldm3d-4c": {},
    # Measures the output of `make demo` with its own small networks and a surrogate from a Python package.
    "toy": {
        "inception": InceptionConfig(network="efficientnet-lite0", kid_subset_size=100),
        "clip": ClipConfig(model="runs/demo/models/clip"),
        "depth": DepthConfig(
            reference="runs/demo/models/metric_depth",  # sees the sky at about 10 m
            peer="runs/demo/models/depth",
            max_depth_m=12.0,
            batch_size=32,
        ),
        "reconstruction": ReconstructionConfig(
            perceptual=PerceptualConfig(network="squeeze", weights="random"), batch_size=32
        ),
        "report": ReportConfig(surrogate=("clip", "depth", "panorama_depth", "autoencoder")),
    },
}

DEPTH_FUSION: Presets = {
    # The model that the authors fine-tuned on panoramas, 1,024 x 512; it draws only with --prompt. No score is known.
    "ldm3d": {},
    # There is no such model of panoramas with 4 channels: this one draws them, with the seam closed.
    "ldm3d-4c": {"model": GeneratorConfig(model=("Intel/ldm3d-4c",))},
    "toy": {
        "model": GeneratorConfig(model=("runs/demo/diffusion/model",)),  # as `make demo` trains it
        "sampling": SamplingConfig(scheduler="dpmpp", num_inference_steps=(10,), guidance_scale=(2.0,), batch_size=1),
    },
}

SERVE: Presets = {
    # The paper's settings, with the models that the authors published.
    "ldm3d": {},
    "ldm3d-4c": {"model": GeneratorConfig(model=("Intel/ldm3d-4c",))},
    "toy": {
        "model": GeneratorConfig(model=("runs/demo/diffusion/model",)),  # as `make demo` trains it
        "defaults": DefaultsConfig(scheduler="dpmpp", steps=10, guidance=2.0),
    },
}


Preset = Literal["ldm3d", "ldm3d-4c", "toy"]
STAGES: dict[Any, tuple[str, Presets]] = {
    CorpusConfig: ("rebuild_corpus", PRESETS),
    AutoencoderConfig: ("train_autoencoder", AUTOENCODER),
    LatentsConfig: ("encode_latents", LATENTS),
    DiffusionConfig: ("train_diffusion", DIFFUSION),
    GenerateConfig: ("generate", GENERATE),
    EvaluateConfig: ("evaluate", EVALUATE),
    DepthFusionConfig: ("depth_fusion", DEPTH_FUSION),
    ServeConfig: ("serve", SERVE),
    ExportConfig: ("export", {"ldm3d": {}, "ldm3d-4c": {}, "toy": {}}),  # the run says what it was made with
}
"""Name and presets of each stage, by the class of its configuration."""


def with_label_preset(label: LabelConfig, preset: str) -> LabelConfig:
    """Return label settings with those of a preset: a model that another preset named gives way to it."""
    fresh: dict[str, Any] = {"column": None, "scale": None, "revision": None, "predicts": "auto"}
    return replace(label, **(fresh | LABEL[preset]))


def presets_of(config_class: Callable[..., Any]) -> Presets:
    """Return the presets of a stage, given the class of its configuration. Each says its own name."""
    return {name: settings | {"preset": name} for name, settings in STAGES[config_class][1].items()}


def stage_of(config_class: Callable[..., Any]) -> str:
    """Return the name of the stage that has these settings."""
    return STAGES[config_class][0]


def same_settings(stage: str, one: str, other: str) -> bool:
    """Return whether two presets have the same settings for a stage, as `ldm3d` and `ldm3d-4c` for the corpus."""
    tables = dict(STAGES.values())
    mine, its = (tables.get(stage, {}).get(name, {}) | {"preset": None} for name in (one, other))
    return one == other or (stage in tables and mine == its)
