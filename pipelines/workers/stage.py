"""The skeleton that the stages share: what a run does around its own work, in the order that exactly-once needs.

check     the output is ours to write; a whole one is returned as it is
prepare   the cluster, and the networks on one of its workers; nothing has been written yet
begin     the run becomes the owner of the output
work      shards or steps, their audit, the success marker
"""

import abc
from typing import Any

from ldm3d.config import ActorsConfig, ClusterConfig, WorkersConfig, to_json
from pipelines.storage.folder import Folder
from pipelines.storage.run import begin, check_output
from pipelines.workers.session import connect


class Stage(abc.ABC):
    """What a stage implements. `run_stage` calls its methods in the order in which they stand here."""

    config: Any
    """The settings, with absolute paths."""
    identity: dict[str, Any]
    """All that decides which rows or weights come out. An output is continued only with the same identity."""

    @property
    def cluster(self) -> ActorsConfig | ClusterConfig | WorkersConfig:
        """Settings for what the stage uses of the cluster."""
        found: ActorsConfig | ClusterConfig = self.config.cluster
        return found

    @property
    def output(self) -> Folder:
        return Folder(self.config.output)

    @abc.abstractmethod
    def finished(self, *, dry_run: bool) -> dict[str, Any] | None:
        """Return the success marker of an output that is whole, and log that it is. None where work is left."""

    @abc.abstractmethod
    def prepare(self, *, begun: bool) -> dict[str, Any]:
        """Fit the stage to the connected cluster, and try its networks there.

        Args:
            begun: an earlier run began this output.

        Returns:
            What is known by then, for a dry run to show.

        Raises:
            ValueError: the cluster is too small, or a network does not run there.
        """

    @abc.abstractmethod
    def extent(self) -> dict[str, Any]:
        """Say how much there is to do, for a dry run to show."""

    def notes(self) -> dict[str, Any]:
        """What `config.json` keeps beside identity and settings."""
        return {}

    @abc.abstractmethod
    def work(self, owner: str) -> dict[str, Any]:
        """Do the work that is left, audit it, and write the success marker. Returns what is in it."""


def run_stage(stage: Stage, *, dry_run: bool) -> dict[str, Any]:
    """Run a stage, or resume it where it stopped.

    Returns:
        What is in `_SUCCESS.json`; for a dry run what is known so far, and nothing is written.

    Raises:
        ValueError: the output, the cluster or a network cannot be used. Raised before any work starts.
        AuditError: the output does not hold every row exactly once.
        TakenOverError: another run was started on the same output.
    """
    output = stage.output
    begun = check_output(output, stage.identity)
    if begun and (summary := stage.finished(dry_run=dry_run)):
        return summary
    connect(stage.cluster, dry_run=dry_run)
    facts = stage.prepare(begun=begun)
    if dry_run:
        return {"config": to_json(stage.config)} | facts | stage.extent()  # the plan last, where it is still seen
    return stage.work(begin(output, stage.identity, to_json(stage.config), stage.notes()))
