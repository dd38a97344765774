"""Dictionaries of activations: a plain top-k dictionary beside a VSC with a linear trunk.

    python benchmarks/activations.py [--rows 200000 --columns 768 --atoms 2048 --active 20]
    python benchmarks/activations.py --steps      the time of a training step alone

The data: atoms d_m are normal vectors of length 1. Each is on in a row with probability
active/atoms, whatever the others do, with a coefficient that is uniform on [0.5, 1.5]; a row is
the sum of its atoms and of normal noise with standard deviation 0.02 a column. One thread; times
are of the processor, so that other programs do not count. Errors are measured on rows held out.
"""

import argparse
import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sparsevae.metrics.dictionaries import recovered
from sparsevae.metrics.images import explained_variance
from sparsevae.models import build
from sparsevae.runs.train import fit
from sparsevae.training import dictionaries
from sparsevae.training.loop import prepare_process
from sparsevae.training.recipes import recipe
from sparsevae.training.step import make_optimiser

Floats = npt.NDArray[np.float32]
NOISE, BLOCK, TEST = 0.02, 5000, 5000


@dataclass(frozen=True)
class Data:
    """Rows to train on, rows held out, and the atoms that both are made of."""

    train: Floats
    test: Floats
    atoms: Floats
    active: int


def made(rows: int, columns: int, atoms: int, active: int, seed: int = 0) -> Data:
    """The data of the first lines of this file; the last rows are held out."""
    g = torch.Generator().manual_seed(seed)
    known = F.normalize(torch.randn(atoms, columns, generator=g), dim=1)
    x = torch.empty(rows + TEST, columns)
    for part in x.split(BLOCK):
        on = torch.rand(len(part), atoms, generator=g) < active / atoms
        size = 0.5 + torch.rand(len(part), atoms, generator=g)
        part[:] = (on * size) @ known + NOISE * torch.randn(part.shape, generator=g)
    return Data(x[:rows].numpy(), x[rows:].numpy(), known.numpy(), active)


class PlainTopK(nn.Module):
    """x ↦ the k largest of E(x − b), times unit atoms, plus b."""

    def __init__(self, mean: Tensor, latents: int, active: int) -> None:
        super().__init__()
        start = F.normalize(torch.randn(latents, len(mean)), dim=1)
        self.atoms, self.encoder = nn.Parameter(start.clone()), nn.Parameter(start.clone())
        self.bias, self.active = nn.Parameter(mean.clone()), active
        self.shift = nn.Parameter(torch.zeros(latents))

    def code(self, x: Tensor) -> Tensor:
        """Codes with the k largest entries alone."""
        features = F.linear(x - self.bias, self.encoder, self.shift)
        values, places = features.topk(self.active, 1)
        return torch.zeros_like(features).scatter(1, places, values.relu())

    def step(self, x: Tensor, optimiser: torch.optim.Optimizer) -> None:
        """One step of Adam on the squared error, then atoms of length 1 again."""
        loss = (self.code(x) @ self.atoms + self.bias - x).square().sum(1).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        with torch.no_grad():
            self.atoms.div_(self.atoms.norm(dim=1, keepdim=True))


def top_k(data: Data, latents: int, epochs: int, seed: int, rate: float = 1e-3) -> str:
    """Train a plain top-k dictionary and say how good it is."""
    torch.manual_seed(seed)
    x = torch.from_numpy(data.train)
    model = PlainTopK(x.mean(0), latents, data.active)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate, fused=True)
    began = time.process_time()
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(dictionaries.batch_size(len(x))):
            model.step(x[chosen], optimiser)
    seconds = time.process_time() - began
    with torch.no_grad():
        codes = model.code(torch.from_numpy(data.test))
        decoded = codes @ model.atoms + model.bias
    return line("top-k", data, latents, model.atoms.detach(), decoded, codes, seconds)


def vsc(data: Data, latents: int, epochs: int, seed: int) -> str:
    """Train a VSC by the package's defaults, its count of gates held; say how good it is."""
    began = time.process_time()
    settings = {"latents": latents, "target_active": float(data.active), "epochs": epochs}
    trained = fit(data.train, "vsc", seed=seed, device="cpu", **settings)
    seconds = time.process_time() - began
    codes = trained.encode(data.test)
    decoded = torch.from_numpy(trained.decode(codes))
    scale = torch.tensor(trained.data.scaling.scale)
    atoms = trained.model.decoder.trunk[0].atoms.detach() * scale
    return line("VSC", data, latents, atoms, decoded, torch.from_numpy(codes), seconds)


def line(
    name: str,
    data: Data,
    latents: int,
    atoms: Tensor,
    decoded: Tensor,
    codes: Tensor,
    seconds: float,
) -> str:
    """A row of the table."""
    explained = explained_variance(data.test, decoded.numpy())
    found = recovered(atoms.numpy(), data.atoms)
    count = float((codes != 0).sum(1).float().mean())
    dead = float((codes == 0).all(0).float().mean())
    numbers = f"{explained:.4f} | {found:,} of {len(data.atoms):,} | {count:.1f} | {dead:.1%}"
    return f"| {name} | {latents:,} | {numbers} | {seconds:.0f} s |"


def steps(columns: int, latents: int, batch: int, active: int, rounds: int) -> None:
    """Print what a training step takes beside others, in rounds in which each takes one.

    The others are a plain top-k dictionary, the packages that are installed, and the matrix
    product of a batch with all dimensions, of which a dense step has six.
    """
    x = torch.randn(4 * batch, columns)
    plain = PlainTopK(x.mean(0), latents, active)
    optimiser = torch.optim.Adam(plain.parameters(), lr=1e-3, fused=True)
    weight = torch.randn(latents, columns)
    possible: dict[str, Callable[[Tensor], object] | None] = {
        "VSC, linear": vsc_step(x, latents, active),
        "plain top-k": lambda rows: plain.step(rows, optimiser),
        "top-k of dictionary_learning": peer_step(columns, latents, active),
        "top-k of sae-lens": sae_lens_step(columns, latents, active),
        "one matrix product": lambda rows: rows @ weight.T,
    }
    contestants = {name: step for name, step in possible.items() if step is not None}
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for turn in range(rounds + 1):  # the first is a warm-up
        rows = x[(turn % 4) * batch :][:batch]
        for name, step in contestants.items():
            taken[name].append(seconds_of(step, rows))
    ours = np.array(taken["VSC, linear"][1:])
    print("| step | milliseconds, median | times ours |\n|---|---|---|")
    for name, times in taken.items():
        theirs = np.array(times[1:])
        print(f"| {name} | {1000 * np.median(theirs):.0f} | {np.median(theirs / ours):.2f} |")


def seconds_of(step: Callable[[Tensor], object], rows: Tensor) -> float:
    """Processor time of a step."""
    began = time.process_time()
    step(rows)
    return time.process_time() - began


def vsc_step(x: Tensor, latents: int, active: int) -> Callable[[Tensor], object]:
    """A training step of VSC with a linear trunk and the recipe for dictionaries."""
    arguments = {
        **recipe("dictionary").arguments["vsc"],
        "likelihood": "shared-gaussian",
        "target_active": float(active),
    }
    model = build("vsc", x.shape[1:], latents, trunk="linear", arguments=arguments, examples=x)
    optimiser = make_optimiser(model)
    optimiser.param_groups[0]["lr"] = 1e-3

    def take(rows: Tensor) -> None:
        optimiser.zero_grad(set_to_none=True)
        terms = model.loss(rows, 0.5)
        terms.objective.backward()
        optimiser.step()
        model.update_duals(terms, 0.5)

    return take


def peer_step(columns: int, latents: int, active: int) -> Callable[[Tensor], object] | None:
    """A training step of the package dictionary_learning; None where it cannot be imported."""
    try:
        from dictionary_learning.trainers.top_k import TopKTrainer
    except ImportError:
        return None
    sizes = {"activation_dim": columns, "dict_size": latents, "k": active}
    names = {"layer": 0, "lm_name": "none", "device": "cpu", "seed": 0}
    trainer, places = TopKTrainer(steps=10_000, lr=1e-3, **sizes, **names), itertools.count(1)
    return lambda rows: trainer.update(next(places), rows)


def sae_lens_step(
    columns: int, latents: int, active: int, device: str = "cpu"
) -> Callable[[Tensor], object] | None:
    """A training step of the package sae-lens; None where it is not installed."""
    try:
        from sae_lens import TopKTrainingSAE, TopKTrainingSAEConfig
        from sae_lens.saes.sae import TrainStepInput
    except ImportError:
        return None
    sizes = {"d_in": columns, "d_sae": latents, "k": active}
    sae = TopKTrainingSAE(TopKTrainingSAEConfig(device=device, dtype="float32", **sizes))
    sae = sae.to(device)
    adam = torch.optim.Adam(sae.parameters(), lr=1e-3, fused=True)

    def take(rows: Tensor) -> None:
        given = TrainStepInput(
            sae_in=rows,
            coefficients={},
            dead_neuron_mask=None,
            n_training_steps=0,
            is_logging_step=False,
        )
        adam.zero_grad(set_to_none=True)
        sae.training_forward_pass(given).loss.backward()
        adam.step()

    return take


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--columns", type=int, default=768)
    parser.add_argument("--atoms", type=int, default=2048)
    parser.add_argument("--active", type=int, default=20)
    parser.add_argument("--latents", type=int, nargs="+", default=[4096, 1024])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--models", nargs="+", default=["top-k", "vsc"])
    parser.add_argument("--steps", action="store_true")
    options = parser.parse_args()
    prepare_process()
    if options.steps:
        steps(options.columns, options.latents[0], 1024, options.active, rounds=9)
        return
    data = made(options.rows, options.columns, options.atoms, options.active)
    print("| model | J | explained variance | atoms, cosine > 0.9 | on a row | never on | time |")
    print("|---|---|---|---|---|---|---|", flush=True)
    for latents in options.latents:
        for seed in range(options.seeds):
            for name, run in (("top-k", top_k), ("vsc", vsc)):
                if name in options.models:
                    print(run(data, latents, options.epochs, seed), flush=True)


if __name__ == "__main__":
    main()
