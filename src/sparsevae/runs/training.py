"""A run between two epochs, or in the middle of one: it can go on, begin anew, be kept."""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from sparsevae.data import Split
from sparsevae.errors import RunFolderError
from sparsevae.models import Model
from sparsevae.models.schedules import Schedule, from_json
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.weights import build_model
from sparsevae.storage.arrays import Row
from sparsevae.storage.sparse import is_sparse
from sparsevae.training import faults, loop, restarts, step, streams
from sparsevae.training.config import RunConfig
from sparsevae.training.watch import plateau

EXAMPLES = 1000  # training images that a prior may start its pseudo-inputs from
PAUSE = 120.0  # seconds between checkpoints in a long epoch
START = "start/"  # of a checkpoint in an epoch: what the epoch began with
Progress = Callable[[int], None]


def silent(images: int) -> None:
    """Progress that nobody looks at."""


def new_model(config: RunConfig, images: step.Rows) -> Model:
    """An untrained model, weights and pseudo-inputs drawn from the run's seed.

    Args:
        config: of the run.
        images: N training images, shape ``(N, *shape)``.
    """
    with torch.random.fork_rng():
        loop.seed_epoch(config.seed, -1)
        chosen = torch.randperm(len(images))[:EXAMPLES]
        examples = step.unit_interval(images.index_select(0, chosen))
        return build_model(config, tuple(images.shape[1:]), examples)


def rows_of(split: Split) -> step.Rows:
    """What the loop draws batches from: grey levels as they are, other data scaled.

    Scaled rows above :data:`sparsevae.training.streams.RESIDENT` bytes are left where they are,
    in files perhaps, and read and scaled window by window, and so are those of a sparse matrix;
    the numbers are the same.
    """
    images = split.images
    if split.scaling is None:
        return torch.from_numpy(images[:])
    if 4 * images.size > streams.RESIDENT or is_sparse(images):
        return streams.StreamedRows(images, split.scaling)
    return torch.from_numpy(split.scaled())


@dataclass
class Training:
    """A model between two epochs: with its optimiser and history it can go on.

    Attributes:
        config: of the run.
        model: on its device.
        optimiser: with its moments.
        history: one row an epoch of this attempt that is done.
        middle: where the epoch after those stands, if it was begun.
        attempt: how often the run has begun anew.
    """

    config: RunConfig
    model: Model
    optimiser: torch.optim.Optimizer
    history: list[Row] = field(default_factory=list)
    middle: loop.Pause = field(default_factory=loop.Pause)
    attempt: int = 0

    @classmethod
    def begin(cls, config: RunConfig, images: step.Rows, where: torch.device) -> "Training":
        """A new model of a configuration, nothing trained."""
        model = new_model(config, images).to(where)
        return cls(config, model, step.make_optimiser(model))

    def go_on(
        self,
        images: step.Rows,
        *,
        until: int | None = None,
        learning_rate: Schedule | None = None,
        progress: Progress = silent,
        after_epoch: Callable[[], None] = lambda: None,
        between: Callable[[], None] = lambda: None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        """Train to the end of the run; torch's own generators are left as they are.

        A run that has learned nothing by then begins anew after a third of its passes, as often
        as its configuration allows, with another model and an empty history.

        Args:
            images: N training images, shape ``(N, *shape)``.
            until: passes in all; the run's own number when None.
            learning_rate: in place of the run's.
            progress: called with a number of images as they are done; negative where they are
                to be done again.
            after_epoch: called when an epoch is in the history.
            between: called every two minutes in the middle of an epoch.
            say: called with a line when the run, or an epoch of it, begins anew.
        """
        until = until or self.config.epochs
        whole = learning_rate is None and until >= self.config.epochs
        with torch.random.fork_rng():
            while True:
                due = whole and restarts.due(self.config, self.history)
                if due and (why := plateau(self.model, self.config, self.history, images)):
                    progress(-len(self.history) * len(images))
                    say(self._begin_anew(images, why))
                elif len(self.history) >= until:
                    return
                self._epochs(images, until, learning_rate, progress, after_epoch, between, say)

    def _epochs(
        self,
        images: step.Rows,
        until: int,
        learning_rate: Schedule | None,
        progress: Progress,
        after_epoch: Callable[[], None],
        between: Callable[[], None],
        say: Callable[[str], None],
    ) -> None:
        """Train until then, or until it is time to see whether the run begins anew."""
        number = self.attempt
        config = restarts.changed(self.config, number)
        where = next(self.model.parameters()).device

        def pause(middle: loop.Pause) -> None:
            self.middle = middle
            between()

        for row in loop.train(
            self.model,
            self.optimiser,
            images.to(where) if isinstance(images, Tensor) else images,
            epochs=max(config.epochs, until),
            batch_size=config.batch_size,
            learning_rate=learning_rate or from_json(config.learning_rate),
            seed=config.seed,
            precision=config.precision,
            start=len(self.history),
            middle=self.middle,
            on_batch=progress,
            on_pause=pause,
            pause_after=PAUSE,
            factor=self.history[-1].get(faults.FACTOR, 1.0) if self.history else 1.0,
            say=say,
        ):
            self.middle = loop.Pause()
            self.history.append({**row, restarts.ATTEMPT: number} if number else row)
            after_epoch()
            if len(self.history) == until or restarts.due(self.config, self.history):
                return

    def _begin_anew(self, images: step.Rows, why: str) -> str:
        """Make the model of the next attempt, and say what it does otherwise."""
        done, where = len(self.history), next(self.model.parameters()).device
        self.attempt += 1
        self._make(images, where)
        self.history.clear()
        other = restarts.sentence(self.config, self.attempt)
        return f"epoch {done} of {self.config.epochs}: {why}; {other}."

    def _make(self, images: step.Rows, where: torch.device) -> None:
        """The untrained model of the attempt."""
        self.model = new_model(restarts.changed(self.config, self.attempt), images).to(where)
        self.optimiser = step.make_optimiser(self.model)

    def restore(self, folder: RunFolder, images: step.Rows) -> None:
        """Take up the last checkpoint of a folder, where there is one.

        Args:
            folder: of the run.
            images: N training images, which the model of a later attempt is made from.

        Raises:
            RunFolderError: it is damaged, or of another configuration.
        """
        tensors, history = folder.load_checkpoint()
        if not tensors:
            return
        try:
            if number := int(tensors.get("attempt", restarts.attempt(history))):
                self.attempt = number
                self._make(images, next(self.model.parameters()).device)
            good = None
            if start := step.part(tensors, START):
                step.restore(self.model, self.optimiser, start)
                good = faults.Good(self.model, self.optimiser)
            step.restore(self.model, self.optimiser, tensors)
        except (RuntimeError, LookupError, ValueError):
            raise RunFolderError(
                f"The checkpoint in {folder.path} does not fit its config.json; remove the folder "
                "and start again."
            ) from None
        self.history = history
        middle = step.part(tensors, "middle/")
        if middle:
            taken, seconds = int(middle.pop("taken")), float(middle.pop("seconds"))
            self.middle = loop.Pause(taken, middle, seconds, good)

    def save(self, folder: RunFolder) -> None:
        """Write a checkpoint."""
        tensors = step.state(self.model, self.optimiser)
        if self.middle.good is not None:
            numbers = {"taken": self.middle.taken, "seconds": self.middle.seconds}
            tensors |= {f"middle/{name}": torch.tensor(n) for name, n in numbers.items()}
            tensors |= {f"middle/{name}": t for name, t in self.middle.tensors.items()}
            tensors |= {f"{START}{name}": t for name, t in self.middle.good.tensors.items()}
        tensors["attempt"] = torch.tensor(self.attempt)
        folder.save_checkpoint(tensors, self.history)
