"""What all tests share: a closed environment, markers for what a machine may lack, a tiny run.

Tests see one thread, a cache of their own and no network. A test that needs something from
outside says so with a marker: it is skipped by name where that is missing. Compiler and browser
must be there when CI=true.
"""

import errno
import importlib.util
import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import pytest
import torch

from sparsevae import data
from sparsevae.data import mnist
from sparsevae.evaluation import bound
from sparsevae.evaluation.evaluate import _FURTHER
from sparsevae.metrics.table import METRICS
from sparsevae.models import MODELS
from sparsevae.models.priors import PRIORS
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import train_run
from sparsevae.storage import cache
from sparsevae.studies.engines import local, worker
from sparsevae.training.config import StudyConfig
from sparsevae.training.recipes import runs

collect_ignore = ["toys"]  # they register rows when they are imported
NOWHERE = "http://127.0.0.1:9"
ENVIRONMENT = {
    "SPARSEVAE_MIRRORS": NOWHERE,  # also in subprocesses, which the guard does not reach
    "NO_PROXY": "*",
    "NO_COLOR": "1",
    "TERM": "dumb",
    "COLUMNS": "100",  # help texts break their lines alike everywhere
    "MPLBACKEND": "agg",
}


def has_files(source):
    folders = cache.data_folders()
    inside = [folder / name for folder in folders for name in source.subfolders]
    return all(cache.copies(inside, file.name) for file in source.files)


def has_any(*programs):
    return any(map(shutil.which, programs))


@dataclass(frozen=True)
class Need:
    """Something that a test needs and a machine may lack."""

    met: bool
    reason: str
    in_ci: bool


NEEDS = {
    "needs_mnist": Need(
        has_files(mnist.MNIST),
        "SPARSEVAE_DATA names no folder with MNIST/raw",
        in_ci=False,
    ),
    "needs_fashion_mnist": Need(
        has_files(mnist.FASHION_MNIST),
        "SPARSEVAE_DATA names no folder with FashionMNIST/raw",
        in_ci=False,
    ),
    "needs_ray": Need(
        importlib.util.find_spec("ray") is not None, "ray is not installed", in_ci=False
    ),
    "needs_submitit": Need(
        importlib.util.find_spec("submitit") is not None, "submitit is not installed", in_ci=False
    ),
    "needs_compiler": Need(
        has_any(os.environ.get("CXX", "c++"), "g++", "clang++"),
        "there is no C++ compiler",
        in_ci=True,
    ),
    "needs_browser": Need(
        has_any("chromium", "chromium-browser", "google-chrome"),
        "there is no Chromium",
        in_ci=True,
    ),
}


def pytest_configure(config):
    for name, need in NEEDS.items():
        config.addinivalue_line("markers", f"{name}: skipped where {need.reason}")
    torch.set_num_threads(1)
    environment = pytest.MonkeyPatch()
    config.add_cleanup(environment.undo)
    for name, value in ENVIRONMENT.items():
        environment.setenv(name, value)
    environment.delenv("FORCE_COLOR", raising=False)
    if not hasattr(config, "workerinput"):  # the workers inherit it and share one cache
        folder = tempfile.TemporaryDirectory(prefix="sparsevae-tests-")
        config.add_cleanup(folder.cleanup)
        environment.setenv("SPARSEVAE_CACHE", folder.name)
    close_network(environment)


def pytest_runtest_setup(item):
    torch.set_flush_denormal(False)  # what trained before in this process sets it
    for name, need in NEEDS.items():
        if need.met or item.get_closest_marker(name) is None:
            continue
        if need.in_ci and os.environ.get("CI") == "true":
            pytest.fail(f"{need.reason}, and CI must have it", pytrace=False)
        pytest.skip(need.reason)


def close_network(patch):
    """Refuse every connection that leaves the machine."""
    connect, resolve = socket.socket.connect, socket.getaddrinfo

    def connect_inside(self, address):
        if self.family != socket.AF_UNIX and not is_local(address[0]):
            raise OSError(errno.ENETUNREACH, f"tests have no network: {address[0]}")
        return connect(self, address)

    def resolve_inside(host, *rest, **options):
        if host is not None and not is_local(host):
            raise socket.gaierror(socket.EAI_NONAME, f"tests have no network: {host}")
        return resolve(host, *rest, **options)

    patch.setattr(socket.socket, "connect", connect_inside)
    patch.setattr(socket, "getaddrinfo", resolve_inside)


def is_local(host):
    name = host.decode() if isinstance(host, bytes) else host
    return name in ("localhost", "::1", "0.0.0.0", "") or name.startswith("127.")


@contextmanager
def rows_as_before():
    """What is registered inside is gone afterwards, so that laws over the tables do not see it."""
    before = [(table, dict(table)) for table in (MODELS, PRIORS, _FURTHER)]
    metrics = list(METRICS)
    yield
    for table, rows in before:
        table.clear()
        table.update(rows)
    METRICS[:] = metrics


@pytest.fixture(scope="module")
def rows_stay():
    """A module's own rows."""
    with rows_as_before():
        yield


@pytest.fixture
def rows_of_this_test_stay():
    """A test's own rows."""
    with rows_as_before():
        yield


@pytest.fixture(scope="session")
def tiny_dataset():
    """300 training and 100 test images of real digits."""
    few = data.load("mnist-5k", limit=300)
    return replace(few, test=few.test.take(slice(100)), sha256="")


@pytest.fixture(scope="session")
def tiny_run(tiny_dataset, tmp_path_factory):
    """The finished run folder of a VSC with 4 latents, trained for one epoch; do not change it."""
    study = StudyConfig(models=("vsc",), latents=(4,), epochs=1, batch_size=64)
    (config,) = runs(study, tiny_dataset.name)
    folder = RunFolder(tmp_path_factory.mktemp("runs") / config.name)
    train_run(config, tiny_dataset, folder, device="cpu")
    return folder


@pytest.fixture(scope="module")
def few_draws(tiny_run):
    """Measure a module's runs with 20 draws for 50 images, where a law holds for any number."""
    whole = bound.importance_columns
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bound, "importance_columns", partial(whole, samples=20, images=50))
        yield whole


def done_here(tasks, jobs, on_images, on_warning, **place):
    """The local engine without processes."""

    def send(name, message):
        (on_warning if isinstance(message, str) else on_images)(name, message)

    for task in tasks:
        worker.do(task, partial(send, task.name))
        yield task


@pytest.fixture(scope="module")
def no_workers():
    """A module's studies are done in this process, where processes are not what is tested."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local, "run", done_here)
        yield


@pytest.fixture
def no_workers_in_this_test(monkeypatch):
    """A test's studies are done in this process."""
    monkeypatch.setattr(local, "run", done_here)


def table_run(folder, likelihood, values):
    """A small run on a table in a file, whose names hold markup."""
    path = folder / "table.csv"
    names = [f"<i>column {i}</i>" for i in range(values.shape[1])]
    kinds = ["<img src=x onerror=alert(1)>", "b"]
    lines = [",".join([*names, "kind"])]
    lines += [",".join([*map(str, row), kinds[n % 2]]) for n, row in enumerate(values)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    raw = data.read(path, labels="kind")
    prepared = prepare(raw, latents=3, epochs=3, likelihood=likelihood)
    run = RunFolder(folder / "run")
    train_run(prepared.config, prepared.dataset, run, data=prepared.data)
    return run


@pytest.fixture(scope="session")
def counts_run(tmp_path_factory):
    values = np.random.default_rng(0).poisson(3.0, (80, 6))
    return table_run(tmp_path_factory.mktemp("counts"), "poisson", values)


@pytest.fixture(scope="session")
def measured_run(tmp_path_factory):
    values = np.random.default_rng(1).normal(size=(80, 5)).round(4)
    return table_run(tmp_path_factory.mktemp("measured"), "gaussian", values)
