"""What is installed: the wheel alone works, without the repository; its metadata are whole.

The wheel is built without the network and installed into an environment that sees the other
packages of this one, but not the repository: what runs there is what a user gets.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest
import yaml

import sparsevae
from sparsevae.explorer.backend import Study
from sparsevae.runs import bundled

ROOT = Path(__file__).parents[1]
SECONDS = 300
LARGEST_MODEL = 2_000_000  # bytes
pytestmark = [pytest.mark.timeout(3 * SECONDS), pytest.mark.xdist_group("package")]

README_LINES = """
from sklearn.datasets import load_wine
import sparsevae
wine = load_wine(as_frame=True).data
model = sparsevae.fit(wine, "vsc", latents=4, epochs=2)
print(model.encode(wine).shape, sparsevae.load("mnist-vsc-64").sample(2).shape)
"""


def call(*command, cwd, **environment):
    """Run a program with nothing of the repository on its path; its output."""
    clean = {key: os.environ[key] for key in os.environ if not key.startswith("PYTHON")}
    result = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**clean, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert result.returncode == 0, f"{command}\n{result.stdout}{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of a copy of the tracked tree, so that the repository stays as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", tree / "src", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree)
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation")
    call(*pip, "--no-index", "--wheel-dir", folder, tree, cwd=folder)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    """The bin folder of an environment with the wheel; torch and others are found here."""
    folder = tmp_path_factory.mktemp("environment")
    call(sys.executable, "-m", "venv", "--without-pip", folder / "venv", cwd=folder)
    bin_folder = folder / "venv" / "bin"
    install = ("-m", "pip", "--python", bin_folder / "python", "install", "--quiet", "--no-index")
    call(sys.executable, *install, "--no-deps", wheel, cwd=folder)
    (own,) = (folder / "venv").glob("lib/python*/site-packages")
    others = sysconfig.get_path("purelib")
    # Plain paths in a .pth file do not run the .pth files there: an editable install stays unseen.
    (own / "others.pth").write_text(f"{others}\n", encoding="utf-8")
    return bin_folder


@pytest.mark.parametrize(
    "kernel",
    ["plain", pytest.param("native", marks=pytest.mark.needs_compiler)],
)
def test_the_wheel_alone_trains_encodes_and_loads(environment, tmp_path, kernel):
    settings = {"SPARSEVAE_KERNEL": kernel, "SPARSEVAE_CACHE": str(tmp_path / "cache")}
    lines = call(environment / "python", "-c", README_LINES, cwd=tmp_path, **settings)
    assert lines.strip() == "(178, 4) (2, 1, 28, 28)"
    where = call(
        environment / "python", "-c", "import sparsevae; print(sparsevae.__file__)", cwd=tmp_path
    )
    assert Path(where.strip()).is_relative_to(environment.parent)


def test_the_wheel_brings_the_command(environment, tmp_path):
    text = call(environment / "sparsevae", "--help", cwd=tmp_path)
    assert {"study", "fit", "explore"} <= set(re.findall(r"\w+", text))


def test_the_wheel_holds_what_it_needs_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    tracked = {path.relative_to(ROOT / "src") for path in (ROOT / "src/sparsevae").rglob("*")}
    held = {Path(name) for name in names if not name.partition("/")[0].endswith(".dist-info")}
    files = {p for p in tracked if (ROOT / "src" / p).is_file() and "__pycache__" not in p.parts}
    assert files == held


def test_metadata_are_whole(wheel):
    archive = zipfile.ZipFile(wheel)
    (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    metadata = Parser().parsestr(archive.read(name).decode())
    assert metadata["Name"] == "sparsevae"
    assert metadata["Version"] == sparsevae.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "Typing :: Typed" in metadata.get_all("Classifier")
    assert "sparsevae/py.typed" in archive.namelist()
    assert {"export", "hub", "explore", "docs"} <= set(metadata.get_all("Provides-Extra"))


def test_the_models_that_come_with_the_package_are_whole():
    for name in bundled.names():
        folder = bundled.FOLDER / name
        sums = dict(
            reversed(line.split("  "))
            for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
        )
        files = {path.name: path for path in folder.iterdir() if path.name != "SHA256SUMS"}
        assert set(files) == set(sums)
        for file, path in files.items():
            assert hashlib.sha256(path.read_bytes()).hexdigest() == sums[file], file
        assert sum(path.stat().st_size for path in folder.iterdir()) <= LARGEST_MODEL


def test_the_starting_model_knows_digits():
    model = sparsevae.load("mnist-vsc-64")
    digits = sparsevae.data.load("mnist-5k", limit=200).test
    codes = model.encode(digits.images)
    assert 6 < (codes != 0).sum(1).mean() < 10
    error = (model.decode(codes) / 255.0 - digits.images / 255.0) ** 2
    assert error.mean() < 0.02
    assert model.sample(3).shape == (3, 1, 28, 28)


def test_the_explorer_opens_the_starting_model_offline(tmp_path, monkeypatch):
    monkeypatch.setenv("SPARSEVAE_DATA", str(tmp_path))
    monkeypatch.setenv("SPARSEVAE_CACHE", str(tmp_path))
    study = Study([Path("mnist-vsc-64")], 20)
    assert study.rows.values.shape == (20, 1, 28, 28)
    assert "come with the package" in study.rows.note


def test_a_folder_goes_before_a_name_of_the_package(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert bundled.place("mnist-vsc-64").parent == bundled.FOLDER
    (tmp_path / "mnist-vsc-64").mkdir()
    assert bundled.place("mnist-vsc-64") == Path("mnist-vsc-64")


def test_the_citation_is_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == sparsevae.__version__
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["license"] == project["license"]
    assert set(citation["keywords"]) == set(project["keywords"])


def test_make_lists_its_targets():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    listed = set(re.findall(r"^# make (\w+)", makefile, re.MULTILINE))
    own = set(re.findall(r"^(\w+):", makefile, re.MULTILINE)) - {"help", "compiler", "browser"}
    assert listed == own
