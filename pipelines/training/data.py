"""The data of a training: two splits of a corpus or of its latents, and the order in which samples are taken."""

from dataclasses import dataclass
from typing import Self

from ldm3d.config import LoopConfig
from ldm3d.data.order import GlobalOrder
from pipelines.storage.folder import Folder
from pipelines.storage.inputs import readable
from pipelines.storage.row_groups import RowGroups


@dataclass(frozen=True)
class TrainingData:
    """The rows to train and validate on, and the order of the former."""

    train: RowGroups
    validation: RowGroups
    order: GlobalOrder

    @classmethod
    def of(cls, url: str, contract: str, columns: tuple[str, ...], loop: LoopConfig) -> Self:
        """Open the training and validation split of a finished input.

        Args:
            url: of the input.
            contract: of its rows; see `ldm3d.schema`.
            columns: those to read.

        Raises:
            ValueError: the input lacks a split, or has fewer rows than a batch.
        """
        folder = Folder(url)
        with readable(url):
            train, validation = (RowGroups.of(folder, contract, split, columns) for split in ("train", "val"))
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
        """Fingerprints of both splits, which tell the same rows from others."""
        return {"train": self.train.fingerprint, "val": self.validation.fingerprint}
