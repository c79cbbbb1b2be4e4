"""Open the networks that the settings name."""

from ldm3d.config import ClipConfig, InceptionConfig
from ldm3d.measures.batch import Network
from ldm3d.measures.features import FeatureNetwork
from ldm3d.measures.similarity import ClipSimilarity


def features_of(config: InceptionConfig, device: str) -> Network:
    """Open the network of FID, KID and the Inception Score.

    Raises:
        ValueError: the weights cannot be obtained, or are not the network's.
    """
    if config.network == "inception":
        from ldm3d.measures.inception import Inception

        return FeatureNetwork(Inception.load(config.weights, config.resize, device), config.batch_size)
    from ldm3d.measures.efficientnet import EfficientNetLite0

    return FeatureNetwork(EfficientNetLite0.load(device), config.batch_size)


def similarity_of(config: ClipConfig, device: str, *, embeddings: bool = False) -> Network:
    """Open the network of CLIP similarity and, if its embeddings of pictures are wanted, of CMMD.

    Raises:
        ValueError: a network cannot be obtained or loaded.
    """
    if config.model == "conse":
        from ldm3d.measures.conse import Conse

        return Conse.load(config, device, embeddings=embeddings)
    return ClipSimilarity.from_pretrained(config, device, embeddings=embeddings)
