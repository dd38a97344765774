"""Fast exact operations for the CPU, with plain PyTorch beside them.

Training small convolutional models on a CPU spends most of its time in general-purpose code
that suits few channels and small matrices badly. The operations here compute the same numbers,
forward and backward, with kernels compiled for the machine at their first call; without a C++
compiler, on other devices and for other number types they are PyTorch's own.
"""

from sparsevae.networks.kernels.choice import kernel_name, use
from sparsevae.networks.kernels.convolution import (
    strided_convolutions,
    strided_transposed_convolutions,
)
from sparsevae.networks.kernels.divergence import pairwise_divergence
from sparsevae.networks.kernels.linear import linear, transposed_linear
from sparsevae.networks.kernels.memory import keep_freed_memory
from sparsevae.networks.kernels.score import bernoulli_score

__all__ = [
    "bernoulli_score",
    "keep_freed_memory",
    "kernel_name",
    "linear",
    "pairwise_divergence",
    "strided_convolutions",
    "strided_transposed_convolutions",
    "transposed_linear",
    "use",
]
