"""TensorBoard: event files beside the study, or in a folder that is named.

An epoch is one record of an event file, so it is there whole or not at all. Final numbers stand
under HPARAMS, findings under TEXT, pictures that were drawn under IMAGES, and the codes of the
first test rows in PROJECTOR, each with the image that it is decoded to.

Shape legend: N codes of J numbers, images (C, H, W).
"""

import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter, summary
from torch.utils.tensorboard.writer import FileWriter

from sparsevae.evaluation.pictures import shades
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.trained import TrainedModel
from sparsevae.storage.arrays import Row
from sparsevae.studies.trackers import TrackedRun, numbers

TRAINING = "train"  # what the tags of an epoch begin with
SPRITES = 8192  # pixels that the sides of TensorBoard's picture of all images may have
PROJECTED = 1000  # codes


class Tracker:
    """Writes event files.

    Args:
        place: folder of the event files; ``tensorboard`` in the study's when empty.
        folder: of the study.
    """

    def __init__(self, place: str, folder: Path) -> None:
        self.folder = Path(place) if place else folder / "tensorboard"
        self.writers: dict[str, FileWriter] = {}

    def started(self, run: TrackedRun) -> int:
        """Open a file; see :class:`sparsevae.studies.trackers.Tracker`."""
        place = self.folder / run.name
        done = last_epoch(place)
        self.writers[run.key] = FileWriter(str(place))
        return done

    def epoch(self, run: TrackedRun, row: Row, when: float) -> None:
        """Write one record."""
        values = {f"{TRAINING}/{name}": value for name, value in numbers(row).items()}
        one, *others = [summary.scalar(name, value) for name, value in values.items()]
        for other in others:
            one.MergeFrom(other)
        self.writers[run.key].add_summary(one, row["epoch"], when)
        self.writers[run.key].flush()

    def finished(self, run: TrackedRun) -> None:
        """Write the final numbers, findings, pictures and codes."""
        results = {f"final/{name}": value for name, value in run.results.items()}
        writer = self.writers.pop(run.key)
        for part in summary.hparams(run.settings, results):
            writer.add_summary(part)
        for name, value in results.items():
            writer.add_summary(summary.scalar(name, value), run.folder.config.epochs)
        writer.close()
        with SummaryWriter(self.folder / run.name) as more:
            for finding in run.folder.diagnosis.get("findings", ()):
                more.add_text(finding["name"], finding["sentence"])
            for path in run.pictures:
                more.add_image(path.stem, _picture(path), dataformats="HWC")
            _project(more, run.folder)

    def closed(self) -> None:
        """Close the files of runs that are not finished."""
        for writer in self.writers.values():
            writer.close()


def last_epoch(place: Path) -> int:
    """The last epoch that the event files of a run hold; 0 where there are none."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    if not place.is_dir():
        return 0
    events = EventAccumulator(str(place), size_guidance={"scalars": 1})  # it keeps the last
    events.Reload()
    tags = [tag for tag in events.Tags()["scalars"] if tag.startswith(f"{TRAINING}/")]
    return max((events.Scalars(tag)[-1].step for tag in tags), default=0)


def _picture(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def _project(writer: SummaryWriter, folder: RunFolder) -> None:
    """Codes for the projector, where the run keeps some."""
    codes, labels = folder.pictures.get("scatter_codes"), folder.pictures.get("scatter_labels")
    if codes is None:
        return
    most = min(len(codes), PROJECTED)
    images = sprites(folder, codes[:most])
    shutil.rmtree(Path(writer.log_dir) / "00000", ignore_errors=True)  # of an earlier attempt
    writer.add_embedding(
        torch.from_numpy(codes[: len(images) if images is not None else most]),
        metadata=None if labels is None else [str(label) for label in labels[:most]],
        label_img=images,
        tag="codes",
    )


def sprites(folder: RunFolder, codes: np.ndarray) -> Tensor | None:
    """What codes are decoded to, as pictures.

    Args:
        folder: of a finished run.
        codes: shape ``(N, J)``.

    Returns:
        Values in [0, 1], shape ``(N, C, H, W)``; None for rows that are no images, without
        weights, and where the pictures are too large for TensorBoard.
    """
    if not folder.has_weights or len(folder.shape) != 3:
        return None
    across = int(np.ceil(np.sqrt(len(codes))))
    if across * max(folder.shape[1:]) > SPRITES:
        return None
    data = folder.data
    decoded = TrainedModel.load(folder.path, "cpu").decode(codes)
    scaled = data.scaling.apply(decoded)
    return torch.from_numpy(shades(data.scaling, data.low, data.high)(scaled)).float() / 255
