"""The depth model of the actors, which each of them opens: it has to be the one that the plan was made with.

It is not handed over as the drawing model is: unpickled, models of transformers give no hidden states, of which DPT
makes depth (findings/transformers_unpickled_models_give_no_hidden_states.sh).
"""

from typing import Any

from ldm3d.config import DepthFusionConfig, DepthMeaningConfig
from ldm3d.fusion.estimate import FLAG, PanoramaEstimator
from pipelines.workers.calls import try_on_worker
from pipelines.workers.resources import Pool, prepare_process


def open_estimator(config: DepthMeaningConfig, fingerprint: str) -> PanoramaEstimator:
    """Open the depth model, on a GPU if there is one here.

    Args:
        fingerprint: of the model that the plan was made with.

    Raises:
        ValueError: it does not open, or is another one.
    """
    estimator = PanoramaEstimator.from_pretrained(config)
    if estimator.fingerprint != fingerprint:
        raise ValueError(
            f"{FLAG} {config.model!r} is another model on a worker than where the job began: give every node the "
            "same, or for one on a hub its --depth.model-revision"
        )
    return estimator.placed()


def try_model(config: DepthFusionConfig, fingerprint: str, pool: Pool) -> dict[str, Any]:
    """Open the depth model on a worker like those that will estimate.

    Returns:
        What is known of it, under `depth_model`.

    Raises:
        ValueError: as `open_estimator`, or no worker is free.
    """
    patience_s = config.cluster.no_progress_timeout_s
    return try_on_worker(
        _try_model, config.depth, fingerprint, pool=pool, patience_s=patience_s, name="the depth model"
    )


def _try_model(config: DepthMeaningConfig, fingerprint: str) -> dict[str, Any]:
    prepare_process()
    return {"depth_model": open_estimator(config, fingerprint).about}
