"""Labels the images of img2dataset one at a time and writes parquet, like a user's script today.

    python -m benchmarks.peer_labels IMAGES MODEL OUTPUT

It uses transformers' depth-estimation pipeline with its defaults, scales the resized prediction to 16 bits, encodes it
with Pillow's PNG and writes it with pyarrow. Prints, as JSON, the seconds from the first image to the last file.
"""

import io
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

GROUP = 32  # rows written together


def main() -> None:
    import torch
    from transformers import pipeline

    images, model, output = (Path(argument) for argument in sys.argv[1:])
    estimate = pipeline("depth-estimation", model=str(model), image_processor=str(model))
    files = sorted(images.glob("*.parquet"))
    began = time.monotonic()
    writer = None
    with torch.inference_mode():
        for file in files:
            for batch in pq.ParquetFile(file).iter_batches(GROUP, columns=["url", "jpg"]):
                rows = pa.Table.from_batches([batch])
                depth = [label(estimate, jpeg) for jpeg in rows["jpg"].to_pylist()]
                rows = rows.append_column("depth", pa.array(depth, pa.binary()))
                writer = writer or pq.ParquetWriter(output, rows.schema)
                writer.write_table(rows)
    if writer:
        writer.close()
    print(json.dumps({"seconds": time.monotonic() - began}))


def label(estimate: Any, jpeg: bytes) -> bytes:
    """Label one JPEG with a 16-bit PNG of the same size. The pipeline has already resized `predicted_depth`."""
    predicted = estimate(Image.open(io.BytesIO(jpeg)))["predicted_depth"].numpy().squeeze()
    low, high = predicted.min(), predicted.max()
    scaled = (predicted - low) / max(high - low, 1e-9) * 65_535
    buffer = io.BytesIO()
    Image.fromarray(scaled.round().astype(np.uint16)).save(buffer, "PNG")
    return buffer.getvalue()


if __name__ == "__main__":
    main()
