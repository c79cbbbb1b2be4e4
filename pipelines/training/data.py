"""What a training reads: two splits of a corpus or of its latents, and the order in which samples are taken."""

from dataclasses import dataclass
from typing import Self

from ldm3d.config import LoopConfig
from ldm3d.data.order import GlobalOrder
from pipelines.storage.folder import Folder
from pipelines.storage.inputs import require_finished
from pipelines.storage.row_groups import RowGroups


@dataclass(frozen=True)
class TrainingData:
    """What is trained and validated on, and in which order."""

    train: RowGroups
    validation: RowGroups
    order: GlobalOrder

    @classmethod
    def of(cls, url: str, contract: str, columns: tuple[str, ...], loop: LoopConfig) -> Self:
        """
        Args:
            contract: of the rows in `url`; see `ldm3d.schema`.
            columns: what is read of them.

        Raises:
            ValueError: the rows are not finished, have no such splits, or are fewer than a batch.
        """
        folder = Folder(url)
        require_finished(url, f"a finished folder of {contract}")
        try:
            train, validation = (RowGroups.of(folder, contract, split, columns) for split in ("train", "val"))
        except OSError as error:
            raise ValueError(f"--input {url!r} cannot be read: {error}") from error
        order = GlobalOrder(
            group_rows=train.rows,
            batch_size=loop.batch_size,
            lanes=loop.lanes,
            shuffle_rows=loop.shuffle_rows,
            seed=loop.seed,
        )
        return cls(train, validation, order)

    @property
    def fingerprint(self) -> dict[str, str]:
        """The same rows again, or others."""
        return {"train": self.train.fingerprint, "val": self.validation.fingerprint}
