"""Record the weights and the metrics of a fixed set of small runs, to show that they stay.

    python tools/record_numbers.py BEFORE.json      in one version of the package
    python tools/record_numbers.py AFTER.json       in another one
    python tools/record_numbers.py --compare BEFORE.json AFTER.json

Seven models with 2 and 16 latents on 1,000 embedded digits, with compiled and with plain kernels;
three estimators; a table, a table of counts and a folder of colour pictures. Every setting that a
default could change is given. The comparison prints one line for each number that differs.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import safetensors.numpy
from PIL import Image
from sklearn.datasets import load_digits, load_wine

MODELS = "ae,vae,vsc,vsc-wu,beta-vae,l1,top-k"
CLOSE = 1e-6  # relative: two numbers that differ by less are the same
TIMED = ("seconds",)
ESTIMATORS = """
import hashlib, json, numpy as np, sparsevae
from sklearn.datasets import load_digits, load_wine
rows = {"table": load_wine().data, "images": load_digits().images[:600].astype("float32")}
counts = np.random.default_rng(1).poisson(np.random.default_rng(0).gamma(2.0, 1.0, (300, 12)))
rows["counts"] = counts
names = ("VariationalSparseCoder", "VariationalCoder", "DeterministicCoder")
out = {}
for name in names:
    for kind, x in rows.items():
        coder = getattr(sparsevae, name)(
            n_components=4, max_iter=5, batch_size=64, random_state=0,
            learning_rate={"kind": "one-cycle", "peak": 0.005},
            WIDTHS=(16,) * (3 if x.ndim > 2 else 1),
        ).fit(x)
        codes = np.ascontiguousarray(coder.transform(x))
        out[f"{name}-{kind}"] = {
            "codes": hashlib.sha256(codes.tobytes()).hexdigest(), "score": coder.score(x),
            "likelihood": str(coder.likelihood_), "scaling": coder.scaling_.kind,
        }
print(json.dumps(out))
"""


def run(*arguments, kernel="auto"):
    environment = {**os.environ, "SPARSEVAE_KERNEL": kernel}
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def read_run(folder):
    tensors = safetensors.numpy.load_file(folder / "weights.safetensors")
    hashes = {
        name: hashlib.sha256(np.ascontiguousarray(tensor).tobytes()).hexdigest()
        for name, tensor in sorted(tensors.items())
    }
    metrics = json.loads((folder / "metrics.json").read_text())
    return {"weights": hashes, "metrics": {k: v for k, v in metrics.items() if k not in TIMED}}


def write_data(folder):
    load_wine(as_frame=True).frame.to_csv(folder / "wine.csv", index=False)
    generator = np.random.default_rng(0)
    rates = generator.gamma(1.0, 1.0, (400, 3)) @ generator.gamma(0.5, 2.0, (3, 20))
    np.save(folder / "counts.npy", generator.poisson(rates))
    (folder / "pictures").mkdir()
    digits = load_digits().images[:300] / 16
    for place, digit in enumerate(digits):
        picture = np.kron(digit, np.ones((2, 2)))[:, :, None] * generator.random(3)
        Image.fromarray((255 * picture).astype(np.uint8)).save(
            folder / "pictures" / f"{place:03}.png"
        )


def record():
    found = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_data(folder)
        for kernel in ("native", "plain"):
            out = folder / kernel
            grid = ("--models", MODELS, "--latents", "2,16", "--epochs", 2, "--batch-size", 50)
            data = ("--dataset", "mnist-5k", "--limit", 1000)
            run("-m", "sparsevae", "study", *data, *grid, "--out", out, kernel=kernel)
            for path in sorted((out / "runs").iterdir()):
                found[f"{kernel}/{path.name}"] = read_run(path)
        own = {
            "table": ("wine.csv", "--labels", "target", "--widths", "32"),
            "counts": ("counts.npy", "--widths", "32"),
            "pictures": ("pictures", "--widths", "8,16,32"),
        }
        for kind, (source, *options) in own.items():
            shared = (
                "--latents",
                4,
                "--epochs",
                5,
                "--batch-size",
                32,
                "--out",
                folder / f"fit-{kind}",
            )
            run("-m", "sparsevae", "fit", folder / source, *options, *shared)
            found[f"fit/{kind}"] = read_run(folder / f"fit-{kind}")
        for word in ("widths", "channels"):
            try:
                estimated = run("-c", ESTIMATORS.replace("WIDTHS", word))
                break
            except SystemExit as error:
                if word == "channels" or "unexpected keyword" not in str(error):
                    raise
        found.update({f"estimator/{k}": v for k, v in json.loads(estimated).items()})
    return found


def flat(value, path=""):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from flat(inner, f"{path} {key}".strip())
    else:
        yield path, value


def compare(before, after):
    old, new = dict(flat(before)), dict(flat(after))
    same = 0
    for key in sorted(old.keys() | new.keys()):
        a, b = old.get(key, "absent"), new.get(key, "absent")
        numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (a, b))
        if a == b or (numbers and abs(a - b) <= CLOSE * max(abs(a), abs(b))):
            same += 1
        else:
            print(f"{key}: {a} -> {b}")
    print(f"{same} of {len(old)} numbers stay")


if __name__ == "__main__":
    if sys.argv[1] == "--compare":
        compare(*(json.loads(Path(path).read_text()) for path in sys.argv[2:4]))
    else:
        Path(sys.argv[1]).write_text(json.dumps(record(), indent=1) + "\n")
