"""A study on a Ray cluster of two nodes, one of which dies, is stopped, or loses a worker.

``python tests/test_nodes.py kill 10`` does so ten times, at moments that are drawn, and says what
came of each; the tests do each once. What is done to the second node while it has a run at work:

    kill     SIGKILL to all its processes
    stop     SIGSTOP to all its processes, and SIGCONT once another node has taken the run over
    worker   SIGSTOP to the process of the run alone, and SIGCONT likewise
"""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sparsevae.errors import RunFolderError
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import read_metadata
from sparsevae.studies.engines.remote import LOST

OF_RAY = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}  # 15 is usual
NODE = {"num_cpus": 1, "object_store_memory": 80_000_000}
PATIENCE = 60.0  # seconds until the processes of a node that was given up have ended
STUDY = {
    "dataset": "mnist-5k",
    "models": ["ae"],
    "latents": [2, 4],
    "seeds": [0, 1, 2, 3, 4, 5],
    "epochs": 25,
    "batch_size": 20,
    "limit": 400,
    "trunk": "mlp",
    "widths": [32],
}
IMAGES = STUDY["limit"]  # an epoch


class Node:
    """The second node, and what is done to it.

    It comes when so large a share of the study's work is done, and the node has a run at work
    with so many epochs.
    """

    def __init__(self, raylet, out, what, share, epoch):
        self.raylet, self.out, self.what = raylet, out, what
        self.share, self.epoch, self.work = share, epoch, 0
        self.done, self.processes, self.said = 0, [], []
        self.lost, self.kept, self.again, self.waited = None, 0, None, 0.0

    def begin(self, sizes):
        self.work = sum(sizes.values())

    def hear(self, name, images):
        self.done += images
        if name == self.lost and self.waited and images > 0 and self.again is None:
            self.again = images / IMAGES
        if not self.lost and self.done >= self.share * self.work:
            self.act()

    def act(self):
        import psutil

        for lease in self.out.glob("runs/*/.lease"):
            try:
                worker = psutil.Process(json.loads(lease.read_text())["pid"])
                epochs = self.epochs(lease.parent)
            except (OSError, ValueError, psutil.Error, RunFolderError):
                continue
            if self.raylet not in worker.parents() or not self.epoch <= epochs < STUDY["epochs"]:
                continue
            children = self.raylet.children(recursive=True)
            self.processes = [worker] if self.what == "worker" else [self.raylet, *children]
            for process in self.processes:
                process.send_signal(signal.SIGKILL if self.what == "kill" else signal.SIGSTOP)
            self.lost, self.began = lease.parent.name, time.monotonic()
            self.kept = self.epochs(lease.parent)
            return

    @staticmethod
    def epochs(run):
        """How many are in its checkpoint."""
        return len(json.loads(read_metadata(run / "checkpoint.safetensors")["history"]))

    def say(self, line):
        import psutil

        self.said.append(line)
        if line == f"{self.lost}: {LOST}":
            self.waited = time.monotonic() - self.began
            for process in self.processes if self.what != "kill" else ():
                with suppress(psutil.NoSuchProcess):  # Ray has ended it
                    process.send_signal(signal.SIGCONT)

    def left(self):
        """Processes of the node that have not ended a while after it was given up."""
        import psutil

        return [str(one) for one in psutil.wait_procs(self.processes, PATIENCE)[1]]


def study_on_two_nodes(out, what, share, epoch):
    """Do the study, meanwhile something to the second node, and print what came of it."""
    import psutil
    from ray.cluster_utils import Cluster

    from sparsevae.studies.study import Listener, run_study
    from sparsevae.training.config import StudyConfig

    cluster = Cluster(True, head_node_args={**NODE, "include_dashboard": False})
    second = cluster.add_node(**NODE)
    raylet = psutil.Process(second.all_processes["raylet"][0].process.pid)
    node, began = Node(raylet, Path(out), what, float(share), int(epoch)), time.monotonic()
    run_study(
        StudyConfig.checked(STUDY),
        Path(out),
        engine_name="ray",
        address=cluster.address,
        listener=Listener(say=node.say, begin=node.begin, images=node.hear),
    )
    told = {
        "lost": node.lost,
        "share of the work": round(float(share), 2),
        "kept epochs": node.kept,
        "goes on after": node.again,
        "seconds until it goes on": round(node.waited, 1),
        "seconds in all": round(time.monotonic() - began, 1),
        "processes left": node.left(),
        "said": [line for line in node.said if "worker" in line or "fail" in line],
    }
    cluster.shutdown()
    print(json.dumps(told))


def provoked(out, what, share, epoch):
    """The same in a process of its own: what it printed."""
    paths = os.pathsep.join(filter(None, sys.path))
    ended = subprocess.run(
        [sys.executable, __file__, "once", str(out), what, str(share), str(epoch)],
        env={**os.environ, "PYTHONPATH": paths, **OF_RAY},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def at_home(out):
    """The same study by the local engine."""
    from sparsevae.studies.study import run_study
    from sparsevae.training.config import StudyConfig

    run_study(StudyConfig.checked(STUDY), out, jobs=2)
    return out


def contents(folder):
    """Of every run its weights, its metrics without seconds, and the names of its files."""
    found = {}
    for path in sorted((folder / "runs").iterdir()):
        metrics = {k: v for k, v in RunFolder(path).metrics.items() if k != "seconds"}
        names = sorted(file.name for file in path.iterdir())
        found[path.name] = (path / "weights.safetensors").read_bytes(), metrics, names
    return found


def wrong(told, out, home):
    """What is not as it must be, in words."""
    found, wanted = contents(out), contents(home)
    yield from (f"{name} differs" for name in wanted if found.get(name) != wanted[name])
    if told["lost"] is None or f"{told['lost']}: {LOST}" not in told["said"]:
        yield "no run was lost"
    elif told["goes on after"] < told["kept epochs"]:
        yield "more than the epoch that was begun was done twice"
    if told["processes left"]:
        yield "processes are left"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return at_home(tmp_path_factory.mktemp("local") / "study")


@pytest.mark.slow
@pytest.mark.needs_ray
@pytest.mark.parametrize("what", ["kill", "stop", "worker"])
def test_a_node_is_lost_and_every_run_ends_as_at_home(what, home, tmp_path):
    told = provoked(tmp_path / "ray", what, 0.3, 5)
    assert not [*wrong(told, tmp_path / "ray", home)], told


@pytest.mark.slow
@pytest.mark.needs_ray
def test_the_documents_program_of_two_nodes_does_all_its_runs(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "two_nodes.md").read_text(encoding="utf-8")
    program = text.partition("```python\n")[2].partition("```")[0]
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **OF_RAY},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=590,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert LOST in ended.stdout
    assert len(list(tmp_path.glob("two-nodes/runs/*/metrics.json"))) == 4


def main(what, times, seed, folder):
    draw, failed = random.Random(int(seed)), 0
    home = at_home(Path(folder) / "local")
    for number in range(int(times)):
        out, moment = Path(folder) / f"ray-{number}", (draw.uniform(0.05, 0.8), draw.randrange(20))
        told = provoked(out, what, *moment)
        faults = [*wrong(told, out, home)]
        failed += bool(faults)
        print(number + 1, what, *faults or ["as at home"], json.dumps(told), flush=True)
    print(f"{what}: {times} times, {failed} wrong")
    sys.exit(bool(failed))


if __name__ == "__main__":
    if sys.argv[1] == "once":
        study_on_two_nodes(*sys.argv[2:])
    else:
        with tempfile.TemporaryDirectory() as place:
            main(*sys.argv[1:3], *(sys.argv[3:4] or ["0"]), *(sys.argv[4:] or [place]))
