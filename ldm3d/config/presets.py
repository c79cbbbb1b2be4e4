"""The table of presets: per stage, the settings that differ from the defaults."""

from typing import Any

from ldm3d.config.corpus import ClusterConfig, DownloadConfig, LabelConfig, SelectConfig, ShardConfig

PRESETS: dict[str, dict[str, Any]] = {
    # The paper: 8,233 train and 2,059 validation samples of LAION-400M at 512 x 512, labelled by DPT-Large at 384.
    "ldm3d": {"select": SelectConfig(sample=10_292, min_similarity=0.3, min_size=512)},
    # The corpus of the 4-channel model is the same: channels are a view of it, taken when training reads.
    "ldm3d-4c": {"select": SelectConfig(sample=10_292, min_similarity=0.3, min_size=512)},
    # Everything for real in a minute: 32 x 32 images of procedural scenes, a 0.72 M-parameter DPT, one loopback web.
    "toy": {
        "select": SelectConfig(min_size=16, max_aspect_ratio=3.0, min_similarity=0.2),
        "download": DownloadConfig(
            image_size=32,
            timeout_s=2.0,
            deadline_s=6.0,
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
