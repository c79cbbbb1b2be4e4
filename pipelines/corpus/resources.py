"""Who gets which CPUs and GPUs in the corpus stage, decided before work starts."""

from dataclasses import dataclass

from ldm3d.config import ClusterConfig
from pipelines.workers.resources import Pool, device_pool, rounded_down

DOWNLOAD_CALLS = 4  # shards at a time: while the slowest URL of one is awaited, others are fetched and decoded


@dataclass(frozen=True)
class Resources:
    """The parts of the corpus graph, fitted to a cluster."""

    download: Pool
    label: Pool
    write: Pool

    def __str__(self) -> str:
        return "; ".join(str(pool) for pool in (self.download, self.label, self.write))


def fit(config: ClusterConfig, cpus: float, gpus: float) -> Resources:
    """Give label actors the GPUs (or their CPUs), downloads two thirds of the other CPUs, and writing tasks the rest.

    Raises:
        ValueError: what was asked for does not fit in the cluster with a share of a CPU left for writing.
    """
    label = device_pool("label", config.label_actors, config.label_cpus, config.label_gpus, gpus, flags="label-")
    left = max(0.0, cpus - label.cpus * (label.actors or 1))
    write = Pool("write", cpus=rounded_down(min(1.0, left / 3)))
    share = left * 2 / 3  # decoding a 512-pixel row costs about twice what encoding its depth costs
    each = config.download_cpus if share >= config.download_cpus or config.download_actors else rounded_down(share)
    actors = config.download_actors or max(1, int(share // max(each, 0.01)))
    download = Pool("download", each, actors=actors, calls=DOWNLOAD_CALLS)
    held = download.cpus * (download.actors or 1)
    if write.cpus < 0.1 or held > left - write.cpus + 1e-6:
        wanted = label.cpus * (label.actors or 1) + held
        raise ValueError(
            f"the stage does not fit: {label} and {download} would hold {wanted:g} of {cpus:g} CPU, and writing "
            "needs a share of one. Add CPUs, or lower --cluster.label-cpus, --cluster.label-actors, "
            "--cluster.download-cpus or --cluster.download-actors."
        )
    return Resources(download, label, write)
