"""How the numbers of an evaluation grow: the driver's memory and time at a thousand and at thirty thousand pictures.

    python -m benchmarks.evaluation_memory [--size 30000]

Pictures of one pixel, and made-up features of Inception's width, committed as the stage commits them, 64 a shard. Then
the driver does what it does when all pictures are measured: it checks which ones count, and has FID, KID, Inception
Score and CLIP similarity summed on a cluster of two CPUs. Each size has a driver process of its own.
"""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.measure import alone_with_cost, arguments, cluster, save, timed
from ldm3d.config import ActorsConfig, EvaluateConfig
from ldm3d.images import encode_rgb
from ldm3d.schema import IMAGE
from pipelines.evaluation.measure_parts import FLOATS
from pipelines.evaluation.networks import FEATURES, SIMILARITY
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.evaluation.results import Results
from pipelines.storage.folder import Folder
from pipelines.storage.shards import Record, claim, commit_shard
from pipelines.workers.session import connect

SHARD = 64
WIDTHS = {"pool": 2_048, "logits": 1_008}
FINGERPRINTS = {FEATURES: "0" * 64, SIMILARITY: "1" * 64}
RUN = "benchmark"


def write_set(folder: Path, rows: int) -> str:
    """Pictures with captions, as small as they can be."""
    folder.mkdir(parents=True)
    image = {"bytes": encode_rgb(np.zeros((1, 1, 3), np.uint8)), "path": ""}
    for start in range(0, rows, SHARD):
        keys = range(start, min(start + SHARD, rows))
        columns = {
            "key": pa.array(keys, pa.int64()),
            "caption": pa.array([f"photograph number {key}" for key in keys]),
            "image": pa.array([image] * len(keys), IMAGE),
        }
        pq.write_table(pa.table(columns), folder / f"{start // SHARD:05d}.parquet")
    return str(folder)


def plan_of(config: EvaluateConfig) -> EvaluatePlan:
    return EvaluatePlan.of(config).with_networks(FINGERPRINTS, FINGERPRINTS)


def write_features(config: EvaluateConfig) -> None:
    """What the actors would have committed."""
    plan, output, random = plan_of(config), Folder(config.output), np.random.default_rng(0)
    claim(output, RUN, {})
    for subject in plan.subjects:
        for part in subject.pictures.parts:
            count = len(part.keys)
            names = {"key": pa.array(part.keys), "number": pa.array(part.numbers)}
            for network in subject.networks:
                values = partial(random.standard_normal, dtype=np.float32)
                columns = {name: _lists(values((count, width))) for name, width in WIDTHS.items()}
                if network == SIMILARITY:
                    columns = {"clip": pa.array(random.normal(30, 3, count))}
                shard = plan.shard(subject, network, part)
                tables = {"features": [pa.table({**names, **columns})]}
                commit_shard(output, RUN, Record(shard.name, count, count, {}, {}), tables, {"features": FLOATS})


def _lists(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def drive(config: EvaluateConfig) -> dict[str, float]:
    """Numbers of what is measured, as the stage makes them. Returns seconds of planning and of summing."""
    connect(config.cluster)
    plan_s, plan = timed(plan_of, config)
    sum_s, results = timed(lambda: list(Results(plan, RUN, "").rows()))
    found = {result.metric: result for result in results}
    if set(found) != set(config.metrics) or {each.num_samples for each in found.values()} != {
        plan.subjects[0].pictures.rows
    }:
        raise RuntimeError(f"numbers are missing: {found}")
    return {"plan_s": plan_s, "sum_s": sum_s}


def measure(rows: int, folder: Path, address: str) -> dict[str, Any]:
    """One size: seconds, and the driver's peak memory."""
    config = EvaluateConfig(
        input=(write_set(folder / "drawn", rows),),
        reference=write_set(folder / "real", rows),
        output=str(folder / "evaluation"),
        metrics=("fid", "kid", "inception_score", "clip"),
        cluster=ActorsConfig(address=address),
    )
    write_features(config)
    times, cost = alone_with_cost(drive, config)
    return {"pictures": rows, **times, "driver_cpu_s": cost.cpu_s, "driver_peak_mib": cost.peak_mib}


def main() -> None:
    asked = arguments(__doc__, size=30_000)
    records = []
    with cluster(cpus=2) as address:
        for rows in (max(100, asked.size // 30), asked.size):
            with tempfile.TemporaryDirectory() as name:
                records.append(measure(rows, Path(name), address))
            print({key: round(value, 1) for key, value in records[-1].items()}, flush=True)
    small, large = records
    memory = large["driver_peak_mib"] / small["driver_peak_mib"]
    print(f"driver memory, {large['pictures']:,} pictures over {small['pictures']:,}: {memory:.2f}")
    save("evaluation_memory", {"sizes": records, "ratio": {"driver_memory": memory}})


if __name__ == "__main__":
    main()
