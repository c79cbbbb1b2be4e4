"""Every setting of every stage, as frozen dataclasses, and the table of presets.

The command line is made from these classes: `--select.min-size 512` sets `CorpusConfig.select.min_size`, and the
docstring under a field is its help text. Ranges are checked when an object is made, before any work starts.
"""

from ldm3d.config.checks import to_json
from ldm3d.config.corpus import (
    ClusterConfig,
    CorpusConfig,
    DownloadConfig,
    DuplicatesConfig,
    LabelConfig,
    SelectConfig,
    ShardConfig,
)
from ldm3d.config.presets import PRESETS

__all__ = [
    "PRESETS",
    "ClusterConfig",
    "CorpusConfig",
    "DownloadConfig",
    "DuplicatesConfig",
    "LabelConfig",
    "SelectConfig",
    "ShardConfig",
    "to_json",
]
