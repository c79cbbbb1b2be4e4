"""What the report of an evaluation is called: what was measured, and against what."""

from ldm3d.config import EvaluateConfig
from ldm3d.config.named import named

MOST = 3  # names in a row


def title_of(config: EvaluateConfig) -> str:
    """Return the title of the settings, or one of the names of input and reference, and of autoencoders."""
    if config.report.title is not None:
        return config.report.title
    parts = []
    if config.input:
        against = f" against {named(config.reference)[0]}" if config.reference else ""
        parts.append(_listed(config.input) + against)
    if models := config.reconstruction.models:
        corpus = f" on {named(config.reconstruction.corpus)[0]}" if config.reconstruction.corpus else ""
        parts.append(f"{'autoencoders' if len(models) > 1 else 'autoencoder'} {_listed(models)}{corpus}")
    title = "; ".join(parts)
    return f"Evaluation: {title}"


def _listed(given: tuple[str, ...]) -> str:
    names = [named(each)[0] for each in given]
    if len(names) > MOST:
        names = [*names[: MOST - 1], f"{len(names) - MOST + 1} more"]
    *rest, last = names
    return f"{', '.join(rest)} and {last}" if rest else last
