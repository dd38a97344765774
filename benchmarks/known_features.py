"""sae-lens' own training on the rows of `sparsevae reproduce synth-sae`, measured as that does.

    pip install sae-lens
    python benchmarks/known_features.py --seeds 3

The rows, how many and how often, and the size of a batch are the reproduction's, so its table and
this one stand side by side. Every dictionary is told how many features are on: BatchTopK and
Matryoshka by k, JumpReLU by the target of its quadratic loss (Gemma Scope 2), and L1 by a
coefficient that is searched for on training rows. Steps are too few for sae-lens' rate for such
rows, 3e-4: L1 then explains 1 % of the variance. All have the reproduction's, 6e-3, which falls
to 0 in the second half.

Shape legend: D columns, J dimensions.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from sae_lens import (
    SAE,
    BatchTopKTrainingSAEConfig,
    JumpReLUTrainingSAEConfig,
    LoggingConfig,
    MatryoshkaBatchTopKTrainingSAEConfig,
    StandardTrainingSAEConfig,
)
from sae_lens.config import SAETrainerConfig
from sae_lens.registry import get_sae_training_class
from sae_lens.training.sae_trainer import SAETrainer
from torch import Tensor

from sparsevae.experiments.features import BLOCK, DrawnRows, Features
from sparsevae.experiments.reproductions.synth_sae import (
    EPOCHS,
    PREFIXES,
    QUANTITIES,
    ROWS,
    TOLD,
    TRAIN,
    WIDTH,
    found,
)
from sparsevae.storage.arrays import Row

RATE, FALLS = 6e-3, 0.5  # of Adam, in the last part of the steps
LEAST, MOST, HALVINGS = 1e-2, 1e2, 8  # coefficients of L1
SEEN = 8 * BLOCK  # training rows on which a coefficient's gates are counted


def sizes() -> dict[str, Any]:
    """What every configuration is given."""
    return {"d_in": Features().dimensions, "d_sae": WIDTH, "device": "cpu", "dtype": "float32"}


CONFIGURATIONS: dict[str, Callable[[float], Any]] = {
    "L1": lambda c: StandardTrainingSAEConfig(l1_coefficient=c, **sizes()),
    "BatchTopK": lambda k: BatchTopKTrainingSAEConfig(k=k, **sizes()),
    "JumpReLU": lambda k: JumpReLUTrainingSAEConfig(
        jumprelu_sparsity_loss_mode="quadratic", target_l0=k, **sizes()
    ),
    "Matryoshka": lambda k: MatryoshkaBatchTopKTrainingSAEConfig(
        k=k, matryoshka_widths=[round(p * WIDTH) for p in (*PREFIXES, 1)], **sizes()
    ),
}


def batches(rows: Tensor, seed: int) -> Iterator[Tensor]:
    """Batches of shuffled rows without end, each row once an epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(rows), generator=generator).split(BLOCK):
            yield rows[chosen]


def trained(config: Any, rows: Tensor, seed: int) -> Any:
    """The dictionary for use, as sae-lens trains it and writes it to disk."""
    torch.manual_seed(seed)
    sae = get_sae_training_class(config.architecture())[0](config)
    steps = EPOCHS * ROWS // BLOCK
    settings = SAETrainerConfig(
        n_checkpoints=0,
        checkpoint_path=None,
        save_final_checkpoint=False,
        total_training_samples=steps * BLOCK,
        device="cpu",
        autocast=False,
        lr=RATE,
        lr_end=RATE,
        lr_scheduler_name="constant",
        lr_warm_up_steps=0,
        adam_beta1=0.9,
        adam_beta2=0.999,
        lr_decay_steps=round(FALLS * steps),
        n_restart_cycles=1,
        train_batch_size_samples=BLOCK,
        dead_feature_window=steps // 10,
        feature_sampling_window=2000,
        logger=LoggingConfig(log_to_wandb=False),
        n_batches_for_norm_estimate=10,
    )
    SAETrainer(settings, sae, batches(rows, seed)).fit()
    with tempfile.TemporaryDirectory() as folder:
        sae.save_inference_model(folder)
        return SAE.load_from_disk(Path(folder)).eval()


@torch.no_grad()
def on(sae: Any, rows: Tensor) -> float:
    """How many gates are open on a row."""
    return float((sae.encode(rows[:SEEN]) != 0).sum(1).float().mean())


def told(name: str, rows: Tensor) -> float:
    """What a model is told: the number itself, or L1's coefficient that leads to it."""
    if name != "L1":
        return TOLD
    low, high = LEAST, MOST
    for _ in range(HALVINGS):
        middle = (low * high) ** 0.5
        if on(trained(CONFIGURATIONS[name](middle), rows, 0), rows) > TOLD:
            low = middle
        else:
            high = middle
    return (low * high) ** 0.5


def measured(name: str, rows: Tensor, seeds: int) -> list[Row]:
    """The reproduction's quantities for every seed."""
    number = told(name, rows)
    runs = list[Row]()
    for seed in range(seeds):
        sae = trained(CONFIGURATIONS[name](number), rows, seed)
        runs.append(found(Features(), sae.W_dec.detach(), sae.encode, sae.decode))
    return runs


def cell(values: list[Any]) -> str:
    """Mean and standard deviation over seeds."""
    spread = f" ± {stdev(values):.3f}" if len(values) > 1 else ""
    return f"{mean(values):.3f}{spread}"


def main() -> None:
    """Print the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--models", nargs="+", choices=CONFIGURATIONS, default=[*CONFIGURATIONS])
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = torch.from_numpy(DrawnRows(Features(), ROWS, TRAIN)[:])
    print("| sae-lens | " + " | ".join(QUANTITIES.values()) + " |")
    print("|---" * (1 + len(QUANTITIES)) + "|", flush=True)
    for name in options.models:
        runs = measured(name, rows, options.seeds)
        cells = [cell([run[quantity] for run in runs]) for quantity in QUANTITIES]
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
