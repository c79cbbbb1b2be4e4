"""The input of a corpus, checked before any work: foreign metadata or a corpus to relabel, and the settings."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ldm3d.config import CorpusConfig
from ldm3d.fingerprint import fingerprint_of_folder
from ldm3d.models.unreadable import require_made
from pipelines.corpus.metadata import MetadataInput, read_input
from pipelines.corpus.relabel import is_corpus, with_source_settings
from pipelines.storage.inputs import CORPUS, readable, require_finished
from pipelines.storage.paths import with_absolute_paths
from pipelines.storage.run import check_folders


@dataclass(frozen=True)
class CorpusInput:
    """What a run makes a corpus from."""

    config: CorpusConfig
    """The effective settings, with absolute paths."""
    metadata: MetadataInput | None
    """None where a corpus is relabelled."""
    settings: dict[str, Any]
    """The settings that decide which rows come out, as JSON values; a local model by its content."""
    identity: dict[str, Any]
    """The settings and the content of the input: all that decides which rows come out."""


def check_input(config: CorpusConfig) -> CorpusInput:
    """Check the input, and work out what decides which rows come out.

    Raises:
        ValueError: the input does not exist, cannot be read, or does not suffice; or input and output overlap; or
            downloads are to be tried again where there are none.
    """
    config = with_absolute_paths(config)
    check_folders(config.input, config.output, "rebuild_corpus")
    content: dict[str, Any]
    with readable(config.input):
        relabels = is_corpus(config.input)
        _check_column(config, relabels=relabels)
        if relabels:
            if config.retry_rejects:
                raise ValueError(
                    f"--retry-rejects: --input {config.input!r} is a corpus, and relabelling downloads nothing; give "
                    "the command that made that corpus, with its metadata as --input"
                )
            config, metadata = with_source_settings(config), None
            content = {"corpus": require_finished(config.input, CORPUS)}
        else:
            metadata = read_input(config)
            content = metadata.content
    if config.label.column is None:
        require_made("--label.depth-model", config.label.depth_model)
    with readable(config.label.depth_model, "--label.depth-model"):
        settings = _settings(config)
    return CorpusInput(config, metadata, settings, settings | content | {"stage": "rebuild_corpus"})


def _check_column(config: CorpusConfig, *, relabels: bool) -> None:
    """Check that depth from a column has a meaning, and that its settings have a column.

    Raises:
        ValueError: they do not.
    """
    label = config.label
    if label.column is None:
        if label.scale is not None:
            raise ValueError(f"--label.scale is {label.scale}, but there is no --label.column whose values it is for")
        return
    if relabels:
        raise ValueError(
            f"--label.column {label.column!r} needs metadata that has it, and --input {config.input!r} is a corpus: "
            "give the metadata, and another output"
        )
    if label.predicts == "auto":
        raise ValueError(
            f"--label.column {label.column!r} needs --label.predicts, as files of numbers do not say what they mean: "
            "pass inverse_depth (larger = nearer), or depth (metres, once multiplied by --label.scale)"
        )


def _settings(config: CorpusConfig) -> dict[str, Any]:
    """The settings that decide which rows come out. The content of a local model stands for its path."""
    settings = config.identity()
    model = Path(settings["label"].get("depth_model", ""))
    if model.name and model.is_dir():  # of a model on a hub, `depth_model.check_same_model` knows the commit
        settings["label"]["depth_model"] = fingerprint_of_folder(model)
    return settings
