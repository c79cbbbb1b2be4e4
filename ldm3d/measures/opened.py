"""The networks that the settings name, opened."""

from ldm3d.config import ClipConfig, InceptionConfig
from ldm3d.measures.batch import Measure
from ldm3d.measures.features import Features
from ldm3d.measures.similarity import ClipSimilarity


def features_of(config: InceptionConfig, device: str) -> Measure:
    """
    Raises:
        ValueError: the weights cannot be had, or are not what they should be.
    """
    if config.network == "inception":
        from ldm3d.measures.inception import Inception

        return Features(Inception.load(config.weights, config.resize, device), config.batch_size)
    from ldm3d.measures.efficientnet import EfficientNetLite0

    return Features(EfficientNetLite0.load(device), config.batch_size)


def similarity_of(config: ClipConfig, device: str) -> Measure:
    """
    Raises:
        ValueError: the networks cannot be had.
    """
    if config.model == "conse":
        from ldm3d.measures.conse import Conse

        return Conse.load(config, device)
    return ClipSimilarity.from_pretrained(config, device)
