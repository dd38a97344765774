"""What a graphics card makes of it, in one command of at most eight minutes.

    python benchmarks/gpu.py                          the first CUDA device, MNIST
    python benchmarks/gpu.py --quick --device cpu     little of everything, to see that it works

Parts, in this order; what there is no time left for is said to be missing:

* agreement with the CPU: gradients at equal weights and noise, the losses of 100 steps, and a
  training that is stopped after half of its epochs and taken up again
* the four models at J = 64 for 25 epochs, each step captured as a CUDA graph, and eagerly
* float32, TF32 and bfloat16, with the bound on test images that each ends at
* the four models at once on one card
* a dictionary of 4,096 atoms on vectors of 768 numbers, beside sae-lens where it is installed

Numbers go to gpu.json and a table to gpu.md in the folder of `--out`.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from activations import PlainTopK, sae_lens_step
from contest import Images, settings
from rounds import TITLES, machine, table
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sparsevae import data
from sparsevae.data import DownloadError
from sparsevae.errors import DeviceError
from sparsevae.evaluation import evaluate
from sparsevae.models import Model, build
from sparsevae.models.schedules import Constant, from_json
from sparsevae.runs.training import new_model
from sparsevae.training import loop, step
from sparsevae.training.config import RunConfig

LATENTS, WIDTHS, BATCH = 64, (16, 32, 256), 256
COLUMNS, ATOMS, ON, ROWS_A_STEP = 768, 4096, 32, 4096
BUDGET = 480.0  # seconds
Numbers = dict[str, Any]


@dataclass(frozen=True)
class Bench:
    """What all parts share.

    Attributes:
        device: that is measured.
        train, test: images, uint8.
        source: which images they are.
        epochs: of a training that is timed.
        steps: of a comparison step by step.
    """

    device: torch.device
    train: Images
    test: Images
    source: str
    epochs: int
    steps: int

    def wait(self) -> None:
        """Until the device has done all that it was given."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def peak_memory(self) -> Numbers:
        """MB that tensors had at most since :meth:`forget`; nothing on a CPU."""
        if self.device.type != "cuda":
            return {}
        return {"memory MB": torch.cuda.max_memory_allocated(self.device) / 1e6}

    def forget(self) -> None:
        """Let the peak begin anew."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(self.device)


class DrawnOnTheHost(TorchFunctionMode):
    """Noise is drawn by the generator of the CPU and brought to where it is wanted."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call a function, one that draws on the CPU."""
        if func in (torch.rand_like, torch.randn_like):
            like = args[0]
            return func(torch.empty(like.shape, dtype=like.dtype)).to(like.device)
        return func(*args, **(kwargs or {}))


def configuration(model: str) -> RunConfig:
    """A study's run of that model with the default trunk."""
    return settings(model, WIDTHS, LATENTS, BATCH)


# ------------------------------------------------------------------ agreement with the CPU


def gradients(model: Model, x: Tensor) -> Tensor:
    """All gradients of a step in the middle of training, one vector on the host."""
    torch.manual_seed(1)
    model.zero_grad()
    with DrawnOnTheHost():
        model.loss(x, 0.5).objective.backward()
    found = [w.grad for w in model.parameters() if w.grad is not None]
    return torch.cat([gradient.detach().flatten().cpu().double() for gradient in found])


def losses(bench: Bench, config: RunConfig, device: torch.device) -> Tensor:
    """The objective of every one of the first steps, noise alike on every device."""
    images = torch.from_numpy(bench.train)
    model = new_model(config, images).to(device).train()
    optimiser, totals = step.make_optimiser(model), torch.zeros(4, device=device)
    take = step.EagerStep(model, optimiser, images, Constant(1e-3), "float32", totals)
    torch.manual_seed(2)
    curve = []
    with DrawnOnTheHost():
        for number in range(bench.steps):
            totals.zero_()
            chosen = torch.arange(number * BATCH, (number + 1) * BATCH) % len(images)
            take(chosen, number / bench.steps)
            curve.append(totals[-1].item() / BATCH)
    return torch.tensor(curve, dtype=torch.float64)


def resumed(bench: Bench, config: RunConfig) -> float:
    """The largest difference of weights when a training is stopped half-way and goes on."""
    whole = trained(bench, config, epochs=2)[0].state_dict()
    half, optimiser, images = begun(bench, config)
    schedule = from_json(config.learning_rate)
    common = {"epochs": 2, "batch_size": BATCH, "learning_rate": schedule, "seed": config.seed}
    next(loop.train(half, optimiser, images, **common))
    kept = {name: tensor.clone() for name, tensor in half.state_dict().items()}
    moments = {n: t.clone() for n, t in step.optimiser_tensors(optimiser).items()}
    again, optimiser, images = begun(bench, config)
    again.load_state_dict(kept)
    step.restore_optimiser(optimiser, moments)
    for _ in loop.train(again, optimiser, images, start=1, **common):
        pass
    pairs = ((whole[name], tensor) for name, tensor in again.state_dict().items())
    return max(float((a - b).abs().max()) for a, b in pairs if a.is_floating_point())


def agreement(bench: Bench) -> Numbers:
    """Relative differences of gradients and losses, and of weights after a stop."""
    host, rows = torch.device("cpu"), {}
    x = step.unit_interval(torch.from_numpy(bench.train[:BATCH]))
    for name in TITLES:
        config = configuration(name)
        model = new_model(config, torch.from_numpy(bench.train)).train()
        ours = gradients(model, x)
        theirs = gradients(model.to(bench.device), x.to(bench.device))
        a, b = (losses(bench, config, where) for where in (host, bench.device))
        rows[name] = {
            "gradients": float((ours - theirs).norm() / ours.norm()),
            "losses": float((a - b).norm() / a.norm()),
            "resumed": resumed(bench, config),
        }
    return rows


# ------------------------------------------------------------------ speed and precision


def begun(bench: Bench, config: RunConfig) -> tuple[Model, torch.optim.Optimizer, Tensor]:
    """An untrained model on the device, its optimiser, and the images there."""
    images = torch.from_numpy(bench.train).to(bench.device)
    model = new_model(config, torch.from_numpy(bench.train)).to(bench.device)
    return model, step.make_optimiser(model), images


@contextmanager
def taken_eagerly() -> Iterator[None]:
    """Steps are not captured."""
    usual = loop.fastest
    loop.fastest = lambda eager, batch_size: eager
    try:
        yield
    finally:
        loop.fastest = usual


def trained(
    bench: Bench, config: RunConfig, epochs: int, precision: str = "float32"
) -> tuple[Model, Numbers]:
    """A trained model, its seconds a training, its speed after the first epoch, and memory."""
    bench.forget()
    model, optimiser, images = begun(bench, config)
    bench.wait()
    began = time.perf_counter()
    ended = []
    for _ in loop.train(
        model.train(),
        optimiser,
        images,
        epochs=epochs,
        batch_size=BATCH,
        learning_rate=from_json(config.learning_rate),
        seed=config.seed,
        precision=precision,
    ):
        bench.wait()
        ended.append(time.perf_counter() - began)
    steady = (ended[-1] - ended[0]) / max(1, epochs - 1) or ended[0]
    numbers = {
        "seconds": ended[-1],
        "images/s": len(images) / steady,
        **bench.peak_memory(),
    }
    return model.eval(), numbers


def speed(bench: Bench) -> Numbers:
    """Every model, captured and eagerly; the share of an eager step that is not launching."""
    rows = {}
    for name in TITLES:
        captured = trained(bench, configuration(name), bench.epochs)[1]
        with taken_eagerly():
            eager = trained(bench, configuration(name), max(2, bench.epochs // 5))[1]
        share = eager["images/s"] / captured["images/s"]
        rows[name] = {**captured, "eager images/s": eager["images/s"], "not launching": share}
    return rows


def precisions(bench: Bench) -> Numbers:
    """Seconds and the negative ELBO of a VSC by the arithmetic of its training steps."""
    kinds = ("float32", "tf32", "bf16") if bench.device.type == "cuda" else ("float32", "bf16")
    rows = {}
    for precision in kinds:
        usual = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
        torch.backends.cudnn.allow_tf32 = precision == "tf32"
        model, numbers = trained(bench, configuration("vsc"), bench.epochs, precision)
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = usual
        images = bench.test.astype(np.float32) / 255
        bound = evaluate(model.cpu(), images, groups=("bound",)).metrics["negative_elbo"]
        rows[precision] = {**numbers, "negative ELBO": bound}
    return rows


def together(bench: Bench) -> Numbers:
    """The four models in four processes that start at once, against the sum of each alone."""
    command = [sys.executable, __file__, "--device", str(bench.device)]
    command += ["--epochs", str(bench.epochs), "--images", str(len(bench.train)), "--alone"]

    def seconds(names: list[str]) -> list[float]:
        pipe = subprocess.PIPE
        started = [subprocess.Popen([*command, name], stdout=pipe, text=True) for name in names]
        printed = [process.communicate()[0] for process in started]
        if any(process.returncode for process in started):
            raise RuntimeError("A training in a process of its own failed; its error is above.")
        return [json.loads(text.splitlines()[-1])["seconds"] for text in printed]

    alone, at_once = [seconds([name])[0] for name in TITLES], seconds(list(TITLES))
    return {"four models": {"one by one, seconds": sum(alone), "at once, seconds": max(at_once)}}


# ------------------------------------------------------------------ dictionaries


def timed(bench: Bench, take: Callable[[Tensor], object], x: Tensor) -> Numbers:
    """Rows a second of a training step, after a warm-up."""
    for _ in range(5):
        take(x)
    bench.wait()
    began = time.perf_counter()
    for _ in range(bench.steps):
        take(x)
    bench.wait()
    rate = bench.steps * len(x) / (time.perf_counter() - began)
    return {"rows/s": rate, **bench.peak_memory()}


def dictionaries(bench: Bench) -> Numbers:
    """A training step of a linear VSC, of a plain top-k dictionary, and of sae-lens'."""
    latents = ATOMS if bench.device.type == "cuda" else 512
    torch.manual_seed(0)
    x = torch.randn(ROWS_A_STEP if bench.device.type == "cuda" else 256, COLUMNS)
    arguments = {
        "prior": "learned-slab",
        "penalty": "posterior",
        "penalty_weight": 0.0,
        "estimator": "reinmax",
        "held": "gates",
        "likelihood": "shared-gaussian",
        "target_active": float(ON),
    }
    vsc = build("vsc", (COLUMNS,), latents, trunk="linear", arguments=arguments, examples=x)
    x, vsc = x.to(bench.device), vsc.to(bench.device).train()
    totals = torch.zeros(4, device=bench.device)
    own = step.EagerStep(vsc, step.make_optimiser(vsc), x, Constant(1e-3), "float32", totals)
    take = loop.fastest(own, len(x))
    every = torch.arange(len(x), device=bench.device)
    plain = PlainTopK(x.mean(0).cpu(), latents, ON).to(bench.device)
    adam = torch.optim.Adam(plain.parameters(), lr=1e-3, fused=True)
    rows = {}
    contestants = {
        "VSC, linear": lambda rows: take(every, 0.5),
        "plain top-k": lambda rows: plain.step(rows, adam),
        "top-k of sae-lens": sae_lens_step(COLUMNS, latents, ON, str(bench.device)),
    }
    for name, contestant in contestants.items():
        if contestant is None:
            rows[f"{name}: not installed"] = {}
            continue
        bench.forget()
        rows[name] = timed(bench, contestant, x)
    return rows


# ------------------------------------------------------------------ one command

PARTS: dict[str, Callable[[Bench], Numbers]] = {
    "Agreement with the CPU (relative differences)": agreement,
    "Training, captured and eagerly": speed,
    "Arithmetic of the training steps, VSC": precisions,
    "Several models on one card": together,
    "A dictionary of activations": dictionaries,
}


def written(value: Any) -> str:
    """A number with three digits that count."""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def markdown(found: Numbers) -> str:
    """All numbers as tables."""
    lines = [f"{found['machine']}. {found['source']}, {found['epochs']} epochs.\n"]
    for title, rows in found["parts"].items():
        lines.append(f"## {title}\n")
        if not rows:
            lines.append("No time was left for it.\n")
            continue
        columns = list(dict.fromkeys(key for row in rows.values() for key in row))
        cells = ([n, *(written(row.get(key, "")) for key in columns)] for n, row in rows.items())
        lines.append(table(["", *columns], cells) + "\n")
    return "\n".join(lines)


def named(device: torch.device) -> str:
    """The card, if it is one, the processor, and versions."""
    if device.type != "cuda":
        return machine()
    return f"{torch.cuda.get_device_name(device)}, CUDA {torch.version.cuda}, {machine()}"


def images_of(count: int) -> tuple[str, Images, Images]:
    """MNIST's images, or where it cannot be had the digits that the package brings."""
    for name in ("mnist", "mnist-5k"):
        try:
            found = data.load(name)
        except DownloadError:
            continue
        return name, found.train.images[:count], found.test.images
    raise RuntimeError("There are no images; the package lacks its digits.")


def main(arguments: list[str] | None = None) -> int:
    """Measure, write and print; 2 where there is no such device."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--quick", action="store_true", help="512 images, 2 epochs, 5 steps")
    parser.add_argument("--out", type=Path, default=Path("gpu"))
    parser.add_argument("--alone", choices=TITLES, help="train this model, print its seconds")
    options = parser.parse_args(arguments)
    try:
        device = loop.device(options.device)
    except DeviceError as error:
        print(error, file=sys.stderr)
        return 2
    if options.quick:
        options.images, options.epochs = 512, 2
    source, train, test = images_of(options.images)
    test = test[:200] if options.quick else test
    bench = Bench(device, train, test, source, options.epochs, 5 if options.quick else 100)
    if options.alone:
        print(json.dumps(trained(bench, configuration(options.alone), bench.epochs)[1]))
        return 0
    began = time.perf_counter()
    found: Numbers = {"machine": named(device), "source": source, "epochs": bench.epochs}
    found["parts"] = {}
    options.out.mkdir(parents=True, exist_ok=True)
    for title, part in PARTS.items():
        late = time.perf_counter() - began > 0.75 * BUDGET
        print(f"{title}{': no time is left' if late else ''}", file=sys.stderr, flush=True)
        found["parts"][title] = {} if late else part(bench)
        found["seconds"] = time.perf_counter() - began
        (options.out / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
        (options.out / "gpu.md").write_text(markdown(found))
    print(markdown(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
