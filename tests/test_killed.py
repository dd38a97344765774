"""Commands that are killed at random moments end, started again, as if nothing had happened.

``python tests/test_killed.py fit 30`` kills one kind of command so many times and says what came
of it; the test does a few of each.
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
import yaml

from sparsevae.storage.files import private_folder

MARK = "SPARSEVAE_KILLED_TEST"
TIMES = ("seconds", "began")
IN_A_ROW = 3  # kills of one folder before it is left to its end
PATIENCE = 90.0  # seconds until no process is left: two of Ray's own look for theirs once a minute
STUDY = {
    "dataset": "mnist-5k",
    "models": ["vsc"],
    "latents": [2],
    "seeds": [0, 1],
    "epochs": 3,
    "batch_size": 50,
    "limit": 200,
}
SEARCH = {
    **{name: STUDY[name] for name in ("dataset", "models", "latents", "epochs", "limit")},
    "prune": False,
    "search": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}},
    "objectives": ["negative_elbo"],
}


def commands(inputs):
    """What is killed, by its name; files that it needs are written into a folder."""
    draw = np.random.default_rng(0)
    np.save(inputs / "rows.npy", draw.normal(size=(900, 6)) @ draw.normal(size=(6, 24)))
    (inputs / "grid.yaml").write_text(yaml.safe_dump(STUDY))
    (inputs / "search.yaml").write_text(yaml.safe_dump(SEARCH))
    study = ["study", str(inputs / "grid.yaml"), "--jobs", "2"]
    return {
        "fit": ["fit", str(inputs / "rows.npy"), "--latents", "4", "--epochs", "12"],
        "study": study,
        "tune": ["tune", str(inputs / "search.yaml"), "--trials", "3", "--jobs", "2"],
        "ray": [*study, "--engine", "ray"],
        "report": ["report"],
    }


def started(command, out):
    """A command in a child that has everything imported already."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        log = os.open(out.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(log, 1)
        os.dup2(log, 2)
        from sparsevae.cli import app

        place = [str(out)] if command == ["report"] else ["--out", str(out)]
        app([*command, *place], standalone_mode=False)
        os._exit(0)
    except BaseException as error:
        print(repr(error), file=sys.stderr, flush=True)
        os._exit(int(getattr(error, "exit_code", 1) or 0))


def to_its_end(command, out):
    """Seconds that it took."""
    began = time.monotonic()
    _, status = os.waitpid(started(command, out), 0)
    if os.waitstatus_to_exitcode(status) not in (0, 3):  # 3 is an alarm
        raise RuntimeError(out.with_suffix(".log").read_text())
    return time.monotonic() - began


def orphans():
    """Processes that know the mark of this program and are neither it nor its children."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"{MARK}={os.getpid()}".encode() in (place / "environ").read_bytes()
            ends = (place / "stat").read_text().rpartition(")")[2].split()[0] in "ZX"
        except OSError:
            continue
        if marked and not ends and int(place.name) != os.getpid():
            found.append((place / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
    return found


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def content(out, *, exact=False):
    """Everything that a command has left, without the times that it took.

    Args:
        out: the command's folder.
        exact: whether pages and pictures must be the same, too.
    """
    found = {}
    for path in sorted(path for path in out.rglob("*") if path.is_file()):
        name = path.relative_to(out).as_posix()
        if path.suffix == ".json":
            found[name] = without_times(json.loads(path.read_text()))
        elif exact or (path.suffix == ".safetensors" and path.name != "checkpoint.safetensors"):
            found[name] = path.read_bytes()
        else:
            found[name] = ""
    return found


def differences(wanted, found):
    """Files that both have and that differ, of JSON objects the entries that do."""
    for name in sorted(set(wanted) & set(found)):
        one, other = wanted[name], found[name]
        if one == other:
            continue
        if isinstance(one, dict) and isinstance(other, dict):
            keys = [key for key in {**one, **other} if one.get(key) != other.get(key)]
            yield f"{name} differs: {[(key, one.get(key), other.get(key)) for key in keys]}"
        else:
            yield f"{name} differs"


def killed(kind, times, place, seed=0):
    """Kill a command again and again: how often, and what was wrong afterwards.

    Args:
        kind: of :func:`commands`.
        times: how often it is killed.
        place: an empty folder.
        seed: of the moments.
    """
    os.environ[MARK] = str(os.getpid())
    for name in ("inputs", "cache", "temporary"):
        (place / name).mkdir()
    os.environ["SPARSEVAE_CACHE"] = str(place / "cache")
    tempfile.tempdir = os.environ["TMPDIR"] = str(place / "temporary")
    os.environ["RAY_TMPDIR"] = "/tmp"
    command = commands(place / "inputs")[kind]
    whole, study = place / "whole", place / "study"
    if exact := kind == "report":
        to_its_end(commands(place / "inputs")["study"], study)
        for page in ("report.html", "figures"):
            shutil.rmtree(study / page, ignore_errors=True)
            (study / page).unlink(missing_ok=True)
        shutil.copytree(study, whole)
    lasts, wanted = to_its_end(command, whole), content(whole, exact=exact)
    wrong, done, draw = list[str](), 0, random.Random(seed)
    while done < times:
        out = place / f"killed-{done}"
        if exact:
            shutil.copytree(study, out)
        for _ in range(min(IN_A_ROW, times - done)):
            child, moment = started(command, out), draw.uniform(0.0, lasts)
            time.sleep(moment)
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            done += 1
        until = time.monotonic() + PATIENCE
        while (left := orphans()) and time.monotonic() < until:
            time.sleep(0.2)
        wrong += [f"a process is left: {line}" for line in left]
        to_its_end(command, out)
        found = content(out, exact=exact)
        wrong += [f"{out.name}: {name} is missing" for name in sorted(set(wanted) - set(found))]
        wrong += [f"{out.name}: {name} is left" for name in sorted(set(found) - set(wanted))]
        wrong += [f"{out.name}: {line}" for line in differences(wanted, found)]
        shutil.rmtree(out)
    with private_folder("sparsevae-messages-"):  # the next one sweeps what the last kill left
        pass
    hidden = [*(place / "temporary").glob("*"), *(place / "cache").rglob("*.part")]
    ours = [path for path in hidden if not path.name.startswith("torchinductor")]  # torch's cache
    wrong += [f"{path} is left" for path in ours]
    return done, wrong


def in_a_process_of_its_own(kind, times, place):
    """The same in a child, whose forks then have no threads of the caller's."""
    import subprocess

    paths = os.pathsep.join(filter(None, sys.path))
    return subprocess.run(
        [sys.executable, __file__, kind, str(times), str(place)],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "times"),
    [
        ("fit", 12),
        ("study", 3),
        ("report", 6),
        ("tune", 3),
        pytest.param("ray", 3, marks=pytest.mark.needs_ray),
    ],
)
def test_a_killed_command_ends_as_if_it_had_not_been(kind, times, tmp_path):
    ended = in_a_process_of_its_own(kind, times, tmp_path)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert f"{kind}: killed {times} times, 0 wrong" in ended.stdout


def main(kind, times, place, seed=0):
    import sparsevae.cli
    import sparsevae.report
    import sparsevae.runs.train
    import sparsevae.studies.study  # noqa: F401 (before the forks)
    from sparsevae.training import loop

    loop.prepare_process()
    began = time.monotonic()
    done, wrong = killed(kind, int(times), Path(place), int(seed))
    print(*wrong, sep="\n")
    took = time.monotonic() - began
    print(f"{kind}: killed {done} times, {len(wrong)} wrong, {took:.0f} s")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        main(*sys.argv[1:3], *(sys.argv[3:] or [folder]))
