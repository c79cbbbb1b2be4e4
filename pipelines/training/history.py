"""The numbers and pictures of a training. Checkpoints hold them too, so that a resumed run continues them."""

import io
import json
import logging
import math
import tempfile
from pathlib import Path
from typing import Any

from pipelines.storage.folder import Folder
from pipelines.training.mlflow_run import PICTURES, Ending, MlflowRun

logger = logging.getLogger(__name__)

FILE = "history.json"
PLOT = "losses.png"
TENSORBOARD = "tensorboard"
RISING = ("psnr_db", "ssim")  # numbers of a validation that are better when larger
MOST_BYTES = 4 * 2**20  # of a TensorBoard file that is copied at every save; a larger one is copied one last time


class History:
    """Numbers by step, for people: in TensorBoard, a JSON file, a plot, and optionally MLflow. One process writes.

    Args:
        output: of the run. TensorBoard's files go into `tensorboard/`; to an object store they are copied whenever
            the history is saved.
        records: of the run so far, up to its checkpoint.
        mlflow: opened with the same records.
    """

    def __init__(self, output: Folder, records: list[dict[str, Any]], mlflow: MlflowRun | None = None) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.output, self.records, self.mlflow = output, list(records), mlflow
        self._scratch = None if output.is_local else tempfile.TemporaryDirectory()
        folder = Path(self._scratch.name) if self._scratch else Path(output.path(TENSORBOARD))
        self._folder = folder
        last = self.records[-1]["step"] if self.records else 0
        self._board = SummaryWriter(folder, purge_step=last + 1)  # hides what a killed run wrote after its checkpoint

    def add(self, step: int, numbers: dict[str, float]) -> None:
        """Note the numbers of a step."""
        self.records.append({"step": step, **numbers})
        if self.mlflow:
            self.mlflow.add(self.records[-1])
        for name, value in numbers.items():
            self._board.add_scalar(name, value, step)

    def picture(self, step: int, name: str, png: bytes) -> None:
        """Keep a picture as pictures/<name>.png, and in TensorBoard."""
        import numpy as np
        from PIL import Image

        self._write(f"{PICTURES}/{name}.png", png)
        if self.mlflow:
            self.mlflow.picture(name)
        self._board.add_image(name.split("-")[0], np.asarray(Image.open(io.BytesIO(png))), step, dataformats="HWC")

    def save(self) -> None:
        """Write everything to the output. A failure is only logged: the next save writes all of it again."""
        self._board.flush()
        self._write(FILE, json.dumps(self.records).encode())
        if self._scratch:
            self._copy_board()
        if self.mlflow:
            self.mlflow.save()

    def close(self, ending: Ending) -> None:
        """Save, and draw the plot."""
        self.save()
        self._write(PLOT, plot(self.records))
        self._board.close()
        if self._scratch:
            self._scratch.cleanup()
        if self.mlflow:
            self.mlflow.close(ending)

    def abandon(self) -> None:
        """Write nothing more: the output belongs to another run."""
        self._board.close()
        if self._scratch:
            self._scratch.cleanup()
        if self.mlflow:
            self.mlflow.abandon()

    def _copy_board(self) -> None:
        """Copy TensorBoard's files. A large one is ended, so that later copies hold only what is new."""
        files = sorted(self._folder.iterdir())
        is_large = any(file.stat().st_size >= MOST_BYTES for file in files)
        if is_large:
            self._board.close()  # the next number begins a new file
        for file in files:
            if self._write(f"{TENSORBOARD}/{file.name}", file.read_bytes()) and is_large:
                file.unlink()

    def _write(self, name: str, content: bytes) -> bool:
        try:
            self.output.write(name, content)
        except OSError as error:
            logger.warning("%s could not be written: %s", name, error)
            return False
        return True


def plot(records: list[dict[str, Any]]) -> bytes:
    """Draw curves as a PNG: a panel for each number with `loss` in its name, or from validation."""
    from matplotlib.figure import Figure

    curves = {name: [(each["step"], each[name]) for each in records if name in each] for name in _names(records)}
    names = [name for name in curves if "loss" in name or name.startswith("validation/")]
    names = [name for name in names if len(curves[name]) > 1] or names  # a single point is no curve
    columns = min(3, max(1, len(names)))
    rows = max(1, math.ceil(len(names) / columns))
    figure = Figure(figsize=(4.5 * columns, 3 * rows), layout="constrained")
    for place, name in enumerate(names):
        axes = figure.add_subplot(rows, columns, place + 1)
        points = curves[name]
        axes.plot(*zip(*points, strict=True), marker="o" if len(points) < 40 else None, markersize=3)
        axes.set_title(_titled(name), fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(alpha=0.3)
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    return png.getvalue()


def _titled(name: str) -> str:
    """Return a curve's title, with an arrow in the better direction where there is one."""
    part, _, about = name.partition("/")
    if part == "loss":
        return f"{about} loss"
    arrow = " ↑" if about in RISING else " ↓"
    return f"{about.replace('_', ' ')} of validation{arrow}" if part == "validation" else name


def _names(records: list[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record if name != "step"))
