"""Every setting of every stage, as frozen dataclasses, and the table of presets.

The command line is made from these classes: `--select.min-size 512` sets `CorpusConfig.select.min_size`, and the
docstring under a field is its help text. Ranges are checked when an object is made, before any work starts.
"""

from ldm3d.config.actors import ActorsConfig
from ldm3d.config.autoencoder import AutoencoderConfig, AutoencoderLossConfig, PerceptualConfig
from ldm3d.config.checks import flat, from_json, to_json
from ldm3d.config.corpus import (
    ClusterConfig,
    CorpusConfig,
    DownloadConfig,
    DuplicatesConfig,
    LabelConfig,
    ShardConfig,
)
from ldm3d.config.depth_fusion import DepthFusionConfig
from ldm3d.config.depth_meaning import DepthMeaningConfig
from ldm3d.config.diffusion import (
    DenoisingLossConfig,
    DiffusionConfig,
    DiffusionModelConfig,
    EmaConfig,
    LoraConfig,
    SamplesConfig,
)
from ldm3d.config.distill import DistillConfig
from ldm3d.config.drawing import FEW, Drawing
from ldm3d.config.engine import EngineConfig
from ldm3d.config.evaluate import (
    ClipConfig,
    DepthConfig,
    Dinov2Config,
    EvaluateConfig,
    InceptionConfig,
    PicturesConfig,
    ReconstructionConfig,
    ReportConfig,
)
from ldm3d.config.export import ExportConfig
from ldm3d.config.exports import ExportsConfig, SurfaceConfig, ViewsConfig
from ldm3d.config.generate import CaptionsConfig, GenerateConfig, GeneratorConfig, SamplingConfig, SamplingPoint
from ldm3d.config.latents import EncodeConfig, LatentsConfig, TextConfig, TrainedAutoencoderConfig
from ldm3d.config.picture import PictureConfig
from ldm3d.config.presets import (
    LABEL,
    PRESETS,
    Preset,
    presets_of,
    same_settings,
    stage_of,
    with_label_preset,
)
from ldm3d.config.select import SelectConfig
from ldm3d.config.serve import DefaultsConfig, LimitsConfig, ReplicasConfig, ServeConfig
from ldm3d.config.training import LoopConfig, ModelConfig, OptimiserConfig, WatchConfig, WorkersConfig

__all__ = [
    "FEW",
    "LABEL",
    "PRESETS",
    "ActorsConfig",
    "AutoencoderConfig",
    "AutoencoderLossConfig",
    "CaptionsConfig",
    "ClipConfig",
    "ClusterConfig",
    "CorpusConfig",
    "DefaultsConfig",
    "DenoisingLossConfig",
    "DepthConfig",
    "DepthFusionConfig",
    "DepthMeaningConfig",
    "DiffusionConfig",
    "DiffusionModelConfig",
    "Dinov2Config",
    "DistillConfig",
    "DownloadConfig",
    "Drawing",
    "DuplicatesConfig",
    "EmaConfig",
    "EncodeConfig",
    "EngineConfig",
    "EvaluateConfig",
    "ExportConfig",
    "ExportsConfig",
    "GenerateConfig",
    "GeneratorConfig",
    "InceptionConfig",
    "LabelConfig",
    "LatentsConfig",
    "LimitsConfig",
    "LoopConfig",
    "LoraConfig",
    "ModelConfig",
    "OptimiserConfig",
    "PerceptualConfig",
    "PictureConfig",
    "PicturesConfig",
    "Preset",
    "ReconstructionConfig",
    "ReplicasConfig",
    "ReportConfig",
    "SamplesConfig",
    "SamplingConfig",
    "SamplingPoint",
    "SelectConfig",
    "ServeConfig",
    "ShardConfig",
    "SurfaceConfig",
    "TextConfig",
    "TrainedAutoencoderConfig",
    "ViewsConfig",
    "WatchConfig",
    "WorkersConfig",
    "flat",
    "from_json",
    "presets_of",
    "same_settings",
    "stage_of",
    "to_json",
    "with_label_preset",
]
