"""What is assumed or unknown of the depth of many places, added up.

metres_assumed              places whose metres nobody gave: their depth is relative
unknown, unknown_share      places with pixels of unknown depth, and the share of these of the pixels of all places
redrawn, redrawn_share      likewise, where a model has drawn these pixels
perhaps_millimetres         places whose metres look like millimetres
"""

import json
from collections import Counter
from collections.abc import Iterable
from functools import partial
from typing import Any

from pipelines.storage.folder import Folder, concurrently

COLUMNS = ("width", "height", "depth")
COUNTED = ("metres_assumed", "perhaps_millimetres", "unknown", "redrawn")  # places
SHARES = ("unknown", "redrawn")  # of pixels


def depth_sum(output: Folder, files: Iterable[str]) -> dict[str, Any]:
    """Add up what files of `places/v1` say of depth. Those of earlier versions, without its column, say nothing.

    Args:
        files: relative to the output.
    """
    found: Counter[str] = Counter()
    for each in concurrently(partial(_of_file, output), files):
        found.update(each)
    counts = {name: round(found[name]) for name in COUNTED}
    return counts | {f"{name}_share": round(found[_pixels(name)] / (found["pixels"] or 1), 6) for name in SHARES}


def _of_file(output: Folder, file: str) -> dict[str, float]:
    with output.parquet_file(file) as opened:
        rows = opened.read(columns=[name for name in COLUMNS if name in opened.schema_arrow.names]).to_pylist()
    found = dict.fromkeys((*COUNTED, *map(_pixels, SHARES), "pixels"), 0.0)
    for row in rows:
        depth, size = json.loads(row.get("depth") or "{}"), row["width"] * row["height"]
        before = depth.get("redrawn", {}).get("unknown_share_before", 0)
        shares = {"unknown": depth.get("unknown_share", 0), "redrawn": before}
        found["pixels"] += size
        for name in ("metres_assumed", "perhaps_millimetres"):
            found[name] += depth.get(name, False)
        for name, share in shares.items():
            found[name] += share > 0
            found[_pixels(name)] += share * size
    return found


def _pixels(name: str) -> str:
    return f"{name}_pixels"
