"""Peak memory of training, above what the process has after `import torch`. Linux only.

    python benchmarks/memory.py [--latents 64]

A fresh process a model trains one epoch of 60,000 resident images with the study's own loop;
the images themselves are counted apart. The result is Markdown.
"""

import argparse
import json
from pathlib import Path

IMAGES = 60_000
MEGABYTE = 2**20
TRUNKS = ("16,32,64", "16,32,256")


def memory(field: str) -> int:
    """Bytes in memory now ("VmRSS") or at most so far ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def measure(model: str, widths: tuple[int, ...], latents: int) -> None:
    """Train in this process and print what it took, as JSON."""
    import torch

    base = memory("VmRSS")
    torch.set_num_threads(1)
    from contest import images_of, own_loop, settings

    data, images = images_of(IMAGES)
    config = settings(model, widths, latents, batch_size=256)
    own_loop(config, images, lambda count: None, epochs=1)
    above = memory("VmHWM") - base - images.nbytes
    print(json.dumps({"data": data, "images": images.nbytes, "base": base, "above": above}))


def compare(latents: int) -> None:
    """Measure every model in a process of its own and print a table."""
    from rounds import TITLES, answer, machine, start, table

    rows = []
    for widths in TRUNKS:
        for model in TITLES:
            sizes = ("--widths", widths, "--latents", str(latents))
            found = answer(start("memory.py", "--model", model, *sizes))
            title = f"{TITLES[model]}, {widths.replace(',', '-')}"
            megabytes = (found[key] / MEGABYTE for key in ("base", "images", "above"))
            rows.append([title, *(f"{size:.0f}" for size in megabytes)])
    print(f"{IMAGES:,} images ({found['data']}), J = {latents}, batch 256. {machine()}.\n")
    print(table(["MB", "after import torch", "images", "above both, at most"], rows))


def main() -> None:
    """Measure one model, or start a process for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="train this one here and print JSON")
    parser.add_argument("--widths", default=TRUNKS[0])
    parser.add_argument("--latents", type=int, default=64)
    options = parser.parse_args()
    if options.model is None:
        compare(options.latents)
    else:
        widths = tuple(int(width) for width in options.widths.split(","))
        measure(options.model, widths, options.latents)


if __name__ == "__main__":
    main()
