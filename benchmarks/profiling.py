"""Where the time of a training step goes, operation by operation.

    python benchmarks/profiling.py

PyTorch's profiler over the study's own loop, one thread; the time of each operation without
the operations that it calls, gathered under the names of `GROUPS`. What is in none of them is
Python, the dispatcher and the many small operations. The result is Markdown.
"""

import argparse

import torch
from contest import images_of, own_loop, settings
from rounds import TITLES, machine, table
from torch.profiler import ProfilerActivity, profile

from sparsevae.networks import kernels

IMAGES, LATENTS = 5_120, 64
GROUPS = {
    "strided convolutions, forward": ("_Convolutions", "_TransposedConvolutions"),
    "strided convolutions, backward": (
        "_ConvolutionsBackward",
        "_TransposedConvolutionsBackward",
    ),
    "linear layers and other matrix products": (
        "_Linear",
        "_LinearBackward",
        "aten::mm",
        "aten::addmm",
    ),
    "divergence from the mixture": ("_Divergence", "_DivergenceBackward"),
    "score of the pixels": (
        "_BernoulliScore",
        "_BernoulliScoreBackward",
        "aten::binary_cross_entropy_with_logits",
        "aten::log_sigmoid_forward",
        "aten::log_sigmoid_backward",
        "aten::exp",
        "aten::sigmoid",
        "aten::sub_",
        "aten::clamp_min",
        "aten::sum",
        "aten::softplus",
    ),
    "Adam": ("aten::_fused_adam_", "Optimizer.step#Adam.step", "aten::_foreach_add_"),
    "images: gather and conversion": ("aten::index", "aten::index_select", "aten::div_"),
}
REST = "everything else"


def shares(model: str, widths: tuple[int, ...]) -> dict[str, float]:
    """Share of the time of every group."""
    config, images = settings(model, widths, LATENTS, batch_size=256), images_of(IMAGES)[1]
    own_loop(config, images, lambda count: None, epochs=1)
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        own_loop(config, images, lambda count: None, epochs=1)
    found = dict.fromkeys([*GROUPS, REST], 0.0)
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    events = profiler.key_averages()
    for event in events:
        found[group_of.get(event.key, REST)] += event.self_cpu_time_total
    total = sum(found.values())
    return {group: time / total for group, time in found.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    print(f"J = {LATENTS}, batch 256, kernel {kernels.kernel_name()}. {machine()}.")
    for widths in ((16, 32, 64), (16, 32, 256)):
        columns = [shares(model, widths) for model in TITLES]
        trunk = "-".join(str(width) for width in widths)
        head = [f"share of the step, trunk {trunk}", *TITLES.values()]
        rows = [[group, *(f"{column[group]:.0%}" for column in columns)] for group in columns[0]]
        print(f"\n{table(head, rows)}")


if __name__ == "__main__":
    main()
