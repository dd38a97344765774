"""Which kernels run: the compiled ones where they can, plain PyTorch elsewhere."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal, get_args

import torch
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.networks.kernels.compiled import Failure, Native, load

Choice = Literal["auto", "native", "plain"]

_chosen: ContextVar[Choice | None] = ContextVar("_chosen", default=None)


@contextmanager
def use(name: Choice) -> Iterator[None]:
    """Choose the kernels inside a ``with`` block.

    Args:
        name: "auto" takes the compiled kernels if they can be built, "native" insists on
            them, "plain" takes PyTorch's own operations. Outside any block the environment
            variable ``SPARSEVAE_KERNEL`` holds the choice, "auto" if it is not set.

    Raises:
        ConfigurationError: The name is unknown, or "native" cannot be built here.
    """
    token = _chosen.set(_checked(name, "use()"))
    try:
        _native()
        yield
    finally:
        _chosen.reset(token)


def kernel_name(device_type: str = "cpu") -> str:
    """Return what computes the convolutions on a device, compiling it if need be.

    Args:
        device_type: "cpu", "cuda", ...; only "cpu" has kernels of its own.

    Returns:
        "plain" for PyTorch's operations, else "native-" and the instruction set: "avx512",
        "avx2", "neon" or "generic".

    Raises:
        ConfigurationError: ``SPARSEVAE_KERNEL`` is unknown, or asks for "native" and the
            kernels cannot be built.
    """
    native = _native() if device_type == "cpu" else None
    return native.name if native else "plain"


def native_for(*tensors: Tensor) -> Native | None:
    """Return the compiled kernels if they may run on these tensors, else None.

    Tracing for an export or a compilation follows PyTorch's operations, so it gets them; under
    autocast another precision than that of the kernels is wanted.
    """
    if torch.compiler.is_compiling() or torch.jit.is_tracing():  # type: ignore
        return None
    if torch.is_autocast_enabled("cpu"):
        return None
    if any(t.device.type != "cpu" or t.dtype != torch.float32 for t in tensors):
        return None
    return _native()


def insisted() -> bool:
    """Whether the compiled kernels run wherever they can, slower ones too."""
    return _choice() == "native"


def _choice() -> Choice:
    return _chosen.get() or _from_environment()


def _native() -> Native | None:
    choice = _choice()
    loaded = load() if choice != "plain" else None
    if choice == "native" and isinstance(loaded, Failure):
        raise ConfigurationError(
            f"The kernel 'native' was asked for, but {loaded.reason}; install a C++ compiler, "
            "name one in the environment variable CXX, or choose 'auto'."
        )
    return loaded if isinstance(loaded, Native) else None


def _from_environment() -> Choice:
    return _checked(os.environ.get("SPARSEVAE_KERNEL") or "auto", "SPARSEVAE_KERNEL")


def _checked(name: str, where: str) -> Choice:
    for choice in get_args(Choice):
        if name == choice:
            return choice  # type: ignore[no-any-return]
    raise ConfigurationError(
        f"{where} names the kernel '{name}'; choose one of {', '.join(get_args(Choice))}."
    )
