"""What decides what a depth model sees, by content."""

from typing import Any

from ldm3d.depth.metric import MetricDepthEstimator
from ldm3d.depth.relative import DepthEstimator
from ldm3d.fingerprint import fingerprint_of_network

_WHEREABOUTS = ("_name_or_path", "transformers_version", "dtype", "torch_dtype", "architectures", "processor_class")


def identity_of(estimator: MetricDepthEstimator | DepthEstimator) -> list[Any]:
    """Everything that decides what a model sees, given the way it is called. Weights alone do not give its range."""
    model, processor = estimator.model, estimator.processor
    return [fingerprint_of_network(model), _plain(model.config.to_dict()), _plain(processor.to_dict())]


def _plain(value: Any) -> Any:
    """Convert settings to plain JSON values, without those that say where they lie and what wrote them."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items() if name not in _WHEREABOUTS}
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else str(value)
