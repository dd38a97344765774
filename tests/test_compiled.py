"""Kernels are compiled once, shared by processes, and done without where they cannot be built."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sparsevae.errors import ConfigurationError
from sparsevae.networks import kernels
from sparsevae.networks.kernels.compiled import Native, load


@pytest.mark.needs_compiler
def test_name_says_what_runs():
    with kernels.use("native"):
        assert kernels.kernel_name() == load().name
        assert kernels.kernel_name("cuda") == "plain"
        with kernels.use("plain"):
            assert kernels.kernel_name() == "plain"
        assert kernels.kernel_name().startswith("native-")


def test_unknown_names_are_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="choose one of auto, native, plain"):
        kernels.use("fast").__enter__()


def python(code, **environment):
    """Start another interpreter with these environment variables."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith("SPARSEVAE_")}
    return subprocess.Popen(
        [sys.executable, "-c", f"from sparsevae.networks import kernels\n{code}"],
        env=keep | {"OMP_NUM_THREADS": "1"} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output(process):
    text, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    return text.strip()


NAME = "print(kernels.kernel_name())"


@pytest.fixture
def name_of(monkeypatch):
    """Loads kernels as a process with these environment variables would, and gives their name."""

    def name(**environment):
        with monkeypatch.context() as patch:
            for variable in [v for v in os.environ if v.startswith("SPARSEVAE_")]:
                patch.delenv(variable)
            for variable, value in environment.items():
                patch.setenv(variable, value)
            loaded = load.__wrapped__()
        return loaded.name if isinstance(loaded, Native) else "plain"

    return name


def test_a_broken_compiler_falls_back_and_says_so(tmp_path, name_of):
    assert output(python(NAME, CXX="false", SPARSEVAE_CACHE=str(tmp_path))) == "plain"
    assert name_of(CXX="no-such-compiler", SPARSEVAE_CACHE=str(tmp_path)) == "plain"
    assert list(tmp_path.rglob("*.so")) == []


def test_insisting_on_kernels_that_cannot_be_built_is_one_clear_error(tmp_path):
    process = python(NAME, CXX="false", SPARSEVAE_CACHE=str(tmp_path), SPARSEVAE_KERNEL="native")
    errors = process.communicate(timeout=600)[1]
    assert process.returncode == 1
    assert "ConfigurationError: The kernel 'native' was asked for" in errors
    assert "install a C++ compiler" in errors


def test_the_environment_variable_chooses_and_is_checked():
    assert output(python(NAME, SPARSEVAE_KERNEL="plain")) == "plain"
    errors = python(NAME, SPARSEVAE_KERNEL="fats").communicate(timeout=600)[1]
    assert "SPARSEVAE_KERNEL names the kernel 'fats'" in errors


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
def test_memory_that_is_kept_is_not_faulted_in_again():
    code = (
        "import resource, torch\n"
        "def faults():\n"
        "    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt\n"
        "    for _ in range(20):\n"
        "        blocks = [torch.zeros(1_000_000) for _ in range(4)]\n"
        "        del blocks\n"
        "    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before\n"
        "before = faults()\n"
        "assert kernels.keep_freed_memory()\n"
        "faults()\n"
        "print(before, faults())\n"
    )
    before, after = map(int, output(python(code)).split())
    assert after < before / 10


@pytest.mark.needs_compiler
def test_importing_compiles_nothing(tmp_path):
    output(python("pass", SPARSEVAE_CACHE=str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def quick_compiler(tmp_path):
    """A compiler that takes a moment: it hands out the library that is already there."""
    script = tmp_path / "compiler"
    script.write_text(f'#!/bin/sh\nfor last; do :; done\ncp "{load().library._name}" "$last"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.needs_compiler
def test_processes_that_compile_at_the_same_time_share_one_library(
    tmp_path, quick_compiler, name_of
):
    cache = tmp_path / "cache"
    settings = {"CXX": quick_compiler, "SPARSEVAE_CACHE": str(cache)}
    starts = [python(NAME, **settings) for _ in range(2)]
    assert {output(process) for process in starts} == {load().name}
    (library,) = (cache / "kernels").iterdir()
    library.write_bytes(b"damaged")
    assert name_of(**settings) == load().name
    assert library.read_bytes() == Path(load().library._name).read_bytes()


@pytest.mark.needs_compiler
def test_a_cache_that_cannot_be_written_only_means_no_caching(tmp_path, quick_compiler, name_of):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    settings = {"CXX": f"{quick_compiler} -option", "SPARSEVAE_CACHE": str(blocked)}
    settings |= {"XDG_CACHE_HOME": str(blocked)}
    assert name_of(**settings) == load().name


@pytest.fixture
def planted(tmp_path, quick_compiler, name_of):
    """A library in a shared cache, its mark, another cache, and a function that loads kernels.

    The library in the cache is another one that leaves the mark when it is loaded.
    """
    shared, own = tmp_path / "shared", tmp_path / "own"
    settings = {"CXX": quick_compiler, "SPARSEVAE_CACHE": str(shared)}
    settings |= {"XDG_CACHE_HOME": str(own)}
    # Elsewhere, since a process that has loaded from a path does not look there again.
    assert output(python(NAME, **settings)) == load().name
    (library,) = (shared / "kernels").iterdir()
    source, mark = tmp_path / "evil.c", tmp_path / "mark"
    source.write_text(
        "#include <stdio.h>\n"
        f'__attribute__((constructor)) void run(void) {{ fclose(fopen("{mark}", "w")); }}\n'
    )
    subprocess.run(["cc", "-shared", "-fPIC", str(source), "-o", str(library)], check=True)
    return library, mark, own, lambda: name_of(**settings)


@pytest.mark.needs_compiler
@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs owners and modes of files")
@pytest.mark.parametrize(
    ("place", "mode"), [("file", 0o666), ("folder", 0o777), ("folder", 0o1777), ("above", 0o777)]
)
def test_a_library_that_others_may_have_put_there_is_not_loaded(planted, place, mode):
    library, mark, own, run = planted
    places = {"file": library, "folder": library.parent, "above": library.parent.parent}
    places[place].chmod(mode)
    run()
    assert not mark.exists()
    kept = list(own.rglob("*.so"))
    assert kept == [] if place == "file" else len(kept) == 1  # a file is replaced where it lies
    places[place].chmod(0o755)
    run()
    assert mark.exists() is (place != "file"), "what this user alone could write is trusted"


@pytest.mark.needs_compiler
@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid(), reason="needs root, to give away")
def test_a_library_of_another_user_is_not_loaded(planted):
    library, mark, _, run = planted
    os.chown(library, 65534, 65534)
    run()
    assert not mark.exists()
    assert library.stat().st_uid == os.getuid(), "built again"


@pytest.mark.needs_compiler
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_the_variants_for_older_processors_compute_the_same(tmp_path, capability):
    code = (
        "import torch\n"
        "torch.manual_seed(0)\n"
        "images, weight = torch.randn(3, 5, 7, 8), torch.randn(6, 5, 3, 3)\n"
        "bias = torch.randn(6)\n"
        "values = []\n"
        "for name in ('native', 'plain'):\n"
        "    leaf = weight.clone().requires_grad_()\n"
        "    with kernels.use(name):\n"
        "        maps = kernels.strided_convolutions(images, [(leaf, bias)], relu=True)\n"
        "        maps.square().sum().backward()\n"
        "    values.append((maps, leaf.grad))\n"
        "assert all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(*values))\n"
        "print(kernels.kernel_name())\n"
    )
    names = {"default": ("native-generic", "native-neon"), "avx2": ("native-avx2", "native-neon")}
    process = python(code, SPARSEVAE_CACHE=str(tmp_path), ATEN_CPU_CAPABILITY=capability)
    assert output(process) in names[capability]
