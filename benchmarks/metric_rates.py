"""FID, KID and Inception Score of pictures: ours against torch-fidelity, in pictures per second.

    python -m benchmarks.metric_rates [--pictures 512] [--pixels 512] [--threads 2] [--repeats 3]

Two sets of `--pictures` each and the same weights (untrained: He's initial ones), each side in its own process with as
many torch threads. Ours does what an actor of the stage does, with as many calls at once as Ray gives it: reading PNG
files or parquet, decoding, the network, committing features; then the scores from these, on the same cores. The peer
is torch_fidelity.calculate_metrics on the PNG files, with the processes that it starts for reading. Loading weights
and the matrix steps are included. The scores of both are printed: they are for the same pictures and weights.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from benchmarks.measure import Ratio, alone_with_cost, arguments, in_turns, save
from benchmarks.photos import make_photos
from ldm3d.config import EvaluateConfig, InceptionConfig
from ldm3d.images import encode_rgb
from ldm3d.measures.prepare import picture_of
from ldm3d.metrics.gaussian import GaussianSums, frechet_distance
from ldm3d.metrics.inception_score import SPLITS, InceptionScoreSums, split_of
from ldm3d.metrics.kernel_distance import SUBSET_SIZE, SUBSETS, kernel_distance
from ldm3d.schema import IMAGE
from pipelines.evaluation.feature_rows import matrix
from pipelines.evaluation.measure_parts import MeasureJob, PartMeasurer
from pipelines.evaluation.networks import FEATURES, try_networks
from pipelines.evaluation.plan import EvaluatePlan
from pipelines.storage.folder import Folder
from pipelines.storage.shards import claim
from pipelines.workers.resources import DEVICE_CALLS

SETS = ("drawn", "real")
FILE_ROWS = 64  # per parquet file
RUN = "benchmark"
Score = dict[str, float]


def write_pictures(root: Path, count: int, pixels: int) -> None:
    """Write photographs, each a different crop, as PNG files and as parquet of the same bytes."""
    contents = make_photos(pixels, pixels, 2 * count, quality=95)
    for name, some in zip(SETS, (contents[:count], contents[count:]), strict=True):
        (root / "png" / name).mkdir(parents=True)
        (root / "parquet" / name).mkdir(parents=True)
        pngs = [encode_rgb(picture_of(content, None)) for content in some]
        for number, png in enumerate(pngs):
            (root / "png" / name / f"{number:06d}.png").write_bytes(png)
        for start in range(0, count, FILE_ROWS):
            images = [{"bytes": png, "path": ""} for png in pngs[start : start + FILE_ROWS]]
            table = pa.table({"image": pa.array(images, IMAGE)})
            pq.write_table(table, root / "parquet" / name / f"{start // FILE_ROWS:05d}.parquet")


def ours(root: Path, kind: str, weights: Path, threads: int) -> Score:
    """Compute the scores as the stage does, without a cluster."""
    with tempfile.TemporaryDirectory() as name:
        config = EvaluateConfig(
            input=(str(root / kind / SETS[0]),),
            reference=str(root / kind / SETS[1]),
            output=name,
            metrics=("fid", "kid", "inception_score"),
            inception=InceptionConfig(weights=str(weights)),
        )
        tried = try_networks([FEATURES], config)
        plan, output = EvaluatePlan.of(config).with_networks(tried["fingerprints"], tried["judges"]), Folder(name)
        claim(output, RUN, {})
        torch.set_num_threads(threads)
        measurer = PartMeasurer(MeasureJob(plan.config, threads, RUN, plan.fingerprints))
        tasks = [pa.table({"task": [task.to_json()]}) for task in plan.tasks()]
        with ThreadPoolExecutor(DEVICE_CALLS) as calls:
            list(calls.map(measurer, tasks))
        sets = {}
        for subject in plan.subjects:
            shards = [plan.shard(subject, FEATURES, part) for part in subject.pictures.parts]
            sets[subject.role] = pa.concat_tables([output.read_table(shard.file("features")) for shard in shards])
    return _numbers(sets["input"], sets["reference"])


def _numbers(drawn: pa.Table, real: pa.Table) -> Score:
    one, other = matrix(drawn["pool"]), matrix(real["pool"])
    logits = matrix(drawn["logits"])
    size = min(SUBSET_SIZE, len(one))
    splits = min(SPLITS, len(one))
    return {
        "fid": frechet_distance(GaussianSums.of(one), GaussianSums.of(other)),
        "kid": kernel_distance(one, other, SUBSETS, size)[0],
        "inception_score": InceptionScoreSums.of(logits, split_of(len(one), splits), splits).score()[0],
    }


def peer(root: Path, kind: str, weights: Path, threads: int) -> Score:
    """Compute the scores with torch-fidelity, as its documentation does."""
    from torch_fidelity import calculate_metrics

    torch.set_num_threads(threads)
    count = sum(1 for _ in (root / kind / SETS[0]).iterdir())
    found = calculate_metrics(
        input1=str(root / kind / SETS[0]),
        input2=str(root / kind / SETS[1]),
        cuda=False,
        fid=True,
        kid=True,
        isc=True,
        kid_subset_size=min(SUBSET_SIZE, count),
        feature_extractor_weights_path=str(weights),
        verbose=False,
    )
    names = {
        "fid": "frechet_inception_distance",
        "kid": "kernel_inception_distance_mean",
        "inception_score": "inception_score_mean",
    }
    return {name: float(found[theirs]) for name, theirs in names.items()}


def measure(root: Path, weights: Path, pictures: int, threads: int, repeats: int) -> dict[str, Any]:
    """Measure all cases in turns."""
    cases = {"ours, PNG": (ours, "png"), "ours, parquet": (ours, "parquet"), "torch-fidelity, PNG": (peer, "png")}
    calls = {
        case: partial(alone_with_cost, side, root, kind, weights, threads) for case, (side, kind) in cases.items()
    }
    turns = in_turns(calls, repeats)
    rates = {case: [2 * pictures / cost.wall_s for _, cost in each] for case, each in turns.items()}
    *own, theirs = cases
    return {
        "pictures_per_s": {case: median(found) for case, found in rates.items()},
        "ratio": {case: Ratio.of(rates[case], rates[theirs]) for case in own},
        "scores": {case: each[-1][0] for case, each in turns.items()},
    }


def main() -> None:
    from ldm3d.toy.inception_weights import make_inception_weights

    asked = arguments(__doc__, pictures=512, pixels=512, threads=2, repeats=3)
    with tempfile.TemporaryDirectory() as name:
        root, weights = Path(name), Path(name, "inception.pth")
        make_inception_weights(weights)
        write_pictures(root, asked.pictures, asked.pixels)
        found = measure(root, weights, asked.pictures, asked.threads, asked.repeats)
    for case, rate in found["pictures_per_s"].items():
        numbers = ", ".join(f"{metric} {value:.6g}" for metric, value in found["scores"][case].items())
        print(f"{case}: {rate:.1f} pictures/s; {numbers}")
    for case, ratio in found["ratio"].items():
        print(f"  {case} against torch-fidelity: {ratio}")
    save("metric_rates", {**vars(asked), **found})


if __name__ == "__main__":
    main()
