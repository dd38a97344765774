"""One model trained by two real processes ends where one process ends, whatever the model."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch

from sparsevae import data
from sparsevae.data.scaling import Scaling
from sparsevae.errors import ConfigurationError
from sparsevae.models import MODELS
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import train_prepared
from sparsevae.runs.training import Training, rows_of
from sparsevae.training import processes
from sparsevae.training.streams import Order, StreamedRows

BESIDE = """
import json, sys
from functools import partial
import torch
import torch.distributed as dist
from sparsevae.models import MODELS, build, schedules
from sparsevae.training import loop, processes
from sparsevae.training.step import EagerStep, make_optimiser

ROWS, BATCH = 40, 13  # the last batch has one row, fewer than there are processes
FURTHER = {
    "a penalty of means": ("vsc", {"penalty": "posterior", "target_active": 2}),
    "on the prior": ("vsc", {"prior": "mixture", "penalty": "prior", "pseudo_inputs": 3}),
    "gates held": ("vsc", {"penalty": "posterior", "target_active": 2, "held": "gates"}),
    "noise, parts and draws": ("vae", {"input_noise": 0.5, "prefixes": [0.5], "draws": 2}),
    "a dictionary": ("vsc", {"trunk": "linear", "likelihood": "gaussian", "target_active": 2,
                             "penalty": "posterior"}),
}
rank = int(sys.argv[1])
rows = torch.rand(ROWS, 6, generator=torch.Generator().manual_seed(0))


def trained(name, arguments, step_of):
    torch.manual_seed(1)
    settings = {"widths": (8,), "examples": rows, **arguments}
    trunk = settings.pop("trunk", "convolution")
    widths, examples = settings.pop("widths"), settings.pop("examples")
    model = build(name, (6,), 12, widths=widths, trunk=trunk, examples=examples,
                  arguments=settings)
    optimiser, totals = make_optimiser(model), torch.zeros(4)
    step = step_of(EagerStep(model, optimiser, rows, schedules.Constant(1e-3), "float32", totals))
    loop.seed_epoch(0, 0)
    for place, chosen in enumerate(torch.randperm(ROWS).split(BATCH)):
        step(chosen, place / 3)
    return model, totals, torch.get_rng_state()


alone = {}
cases = {name: (name, {}) for name in MODELS} | FURTHER
if rank == 0:
    for case, (name, arguments) in cases.items():
        alone[case] = trained(name, arguments, lambda eager: eager)
store = dist.FileStore(sys.argv[2], 2)
dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
found = {}
for case, (name, arguments) in cases.items():
    try:
        model, totals, state = trained(name, arguments, processes.SharedStep)
    except Exception as error:
        found[case] = str(error)
        continue
    if rank == 0:
        other, sums, before = alone[case]
        pairs = zip(model.state_dict().values(), other.state_dict().values(), strict=True)
        found[case] = [
            max(float((a - b).abs().max() / (1e-3 + b.abs().max())) for a, b in pairs),
            float(((totals - sums).abs() / (1 + sums.abs())).max()),
            bool(torch.equal(state, before)),
        ]
if rank == 0:
    print(json.dumps(found))
dist.destroy_process_group()
"""


def environment(**more):
    paths = os.pathsep.join(filter(None, sys.path))
    return {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1", **more}


def test_every_model_takes_the_same_steps_in_two_processes(tmp_path):
    both = [
        subprocess.Popen(
            [sys.executable, "-c", BESIDE, str(rank), str(tmp_path / "store")],
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    (out, said), _ = [program.communicate(timeout=300) for program in both]
    assert both[0].returncode == both[1].returncode == 0, said
    found = json.loads(out.splitlines()[-1])
    assert set(MODELS) < set(found)
    for case, told in found.items():
        if case in MODELS and MODELS[case].model.couples_rows:
            assert "chooses among all rows of a batch" in told
            continue
        weights, sums, same_noise = told
        assert same_noise, case
        assert weights < 2e-4, case
        assert sums < 1e-5, case


def together(*arguments, count=2, **more):
    """``torchrun`` with a command of the package."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*command, f"--nproc-per-node={count}", "-m", "sparsevae", *map(str, arguments)],
        env=environment(**more),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """300 rows of 20 columns with five directions in them."""
    draw = np.random.default_rng(0)
    rows = draw.normal(size=(300, 5)) @ draw.normal(size=(5, 20)) + 0.1 * draw.normal(
        size=(300, 20)
    )
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, rows.astype(np.float32))
    return path


@pytest.mark.slow
def test_two_processes_go_on_from_the_checkpoint_of_one_and_end_as_one(table, tmp_path):
    settings = {"latents": 4, "epochs": 3, "batch_size": 50}
    prepared = prepare(data.read(table), model="vsc", **settings)
    one, two = RunFolder(tmp_path / "one"), RunFolder(tmp_path / "two")
    train_prepared(prepared, one, device="cpu")
    two.start(prepared.config, prepared.dataset.sha256, prepared.dataset.shape, prepared.data)
    images = rows_of(prepared.dataset.train)
    begun = Training.begin(prepared.config, images, torch.device("cpu"))
    begun.go_on(images, until=1)
    begun.save(two)
    options = [f"--{name.replace('_', '-')}={value}" for name, value in settings.items()]
    ended = together("fit", table, *options, "--device", "cpu", "--out", two.path)
    assert ended.stdout.count("Run: ") == 1, ended.stderr
    two = RunFolder(two.path)
    assert two.history[0] == begun.history[0]
    assert {path.name for path in two.path.glob(".*")} == {".lock"}
    for name in ("objective", "reconstruction", "kl", "sum_gamma"):
        ours, theirs = ([row[name] for row in run.history] for run in (two, one))
        assert ours == pytest.approx(theirs, rel=1e-4)
    assert two.metrics["negative_elbo"] == pytest.approx(one.metrics["negative_elbo"], rel=1e-3)


def test_a_process_reads_only_its_share_of_a_window(monkeypatch, tmp_path):
    rows = np.arange(80, dtype=np.float32).reshape(40, 2)
    asked = []

    class Counted:
        shape = rows.shape

        def __len__(self):
            return len(rows)

        def __getitem__(self, places):
            asked.append(np.atleast_1d(np.arange(40)[places]))
            return rows[places]

    parts = [torch.randperm(16, generator=torch.Generator().manual_seed(n)) for n in range(2)]
    order = torch.cat([parts[0], 16 + parts[1], 32 + torch.arange(8)])
    windows = Order(order, 4, (np.arange(4), np.arange(4, 8), np.arange(8, 10)))
    monkeypatch.setattr(processes, "number", lambda: 2)
    read = []
    for place in (0, 1):
        monkeypatch.setattr(processes, "place", lambda place=place: place)
        asked.clear()
        streamed = StreamedRows(Counted(), Scaling("none"))
        streamed.begin(windows, processes.share)
        for batch in order.split(4):
            mine = processes.share(batch)
            assert torch.equal(streamed.index_select(0, mine), torch.from_numpy(rows[mine]))
        read.append(np.concatenate(asked))
        assert len(asked) == 3  # once a window
        everywhere = torch.tensor([0, 20, 39])
        assert torch.equal(
            streamed.index_select(0, everywhere), torch.from_numpy(rows[[0, 20, 39]])
        )
    assert sorted(np.concatenate(read)) == [*range(40)]


def test_noise_that_depends_on_other_rows_is_refused():
    with (
        pytest.raises(ConfigurationError, match="draws from torch's bernoulli, which several"),
        processes.Noise(4, 0, 2),
    ):
        torch.bernoulli(torch.full((2,), 0.5))


def test_noise_of_a_share_is_that_of_its_rows():
    draws = {
        "like": lambda n: torch.rand_like(torch.zeros(n, 3)),
        "size": lambda n: torch.randn(n, 3),
        "sizes": lambda n: torch.rand(size=(n, 3)),
        "normal": lambda n: torch.normal(torch.ones(n, 3), torch.full((n, 3), 2.0)),
        "torch's own": lambda n: torch.distributions.Normal(torch.zeros(n, 3), 2.0).rsample(),
        "in place": lambda n: torch.zeros(n, 3).exponential_(),
        "none of rows": lambda n: torch.rand(7, 3),
    }
    for name, draw in draws.items():
        torch.manual_seed(0)
        whole, after = draw(6), torch.rand(1)
        torch.manual_seed(0)
        with processes.Noise(6, 2, 5):
            part = draw(3)
        assert torch.equal(torch.rand(1), after), name
        assert torch.equal(part, whole if len(whole) == 7 else whole[2:5]), name


def test_without_others_nothing_is_shared(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "1")
    with processes.joined(torch.device("cpu")):
        assert (processes.number(), processes.place(), processes.first()) == (1, 0, True)
    assert len(processes.share(torch.arange(5))) == 5
    assert processes.meet() is None
