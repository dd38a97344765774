"""A linear trunk: an affine encoder, and a dictionary whose atoms have length 1.

Shape legend: B rows in a batch, D numbers a row, J latent dimensions, K of them that are looked
at for a row, k numbers that the encoder gives a dimension.
"""

import torch
from torch import Tensor, linalg, nn
from torch.nn import functional as F

from sparsevae.networks import kernels

LEAST_LENGTH = 1e-12  # of an atom before it is scaled


def precise(numbers: Tensor) -> Tensor:
    """In single precision at least, shape of ``numbers``.

    Uniform noise in half precision is so coarse that a rare event is drawn far too often.
    """
    return numbers.to(torch.promote_types(numbers.dtype, torch.float32))


class SharedHeads(nn.Module):
    """One linear feature u_j = w_j·x a dimension, and k affine functions of it: (B, D) → (B, kJ).

    A spike and slab needs three numbers a dimension. Taken from one feature they cost one matrix
    product in place of three, as much as the encoder of a plain sparse dictionary.

    Args:
        inputs: D.
        latents: J.
        count: k.
    """

    def __init__(self, inputs: int, latents: int, count: int) -> None:
        super().__init__()
        reference = nn.Linear(inputs, latents)
        self.weight, self.bias = reference.weight, reference.bias
        self.gain = nn.Parameter(torch.ones(count, latents))
        self.shift = nn.Parameter(torch.zeros(count, latents))

    def features(self, rows: Tensor) -> Tensor:
        """Every u_j, shape ``(B, J)``."""
        return kernels.linear(rows, self.weight, self.bias, relu=False)

    def numbers(self, features: Tensor, chosen: Tensor | None = None) -> list[Tensor]:
        """The k affine functions of features, each of their shape, single precision at least.

        Args:
            features: shape ``(B, J)``, or ``(B, K)`` of chosen dimensions.
            chosen: which dimensions those are, shape ``(B, K)``; None for all in order.
        """
        features, pairs = precise(features), zip(self.gain, self.shift, strict=True)
        if chosen is None:
            return [features * gain + shift for gain, shift in pairs]
        return [features * gain[chosen] + shift[chosen] for gain, shift in pairs]

    def forward(self, rows: Tensor) -> Tensor:
        """Apply the layer; shapes as in the class."""
        return torch.cat(self.numbers(self.features(rows)), 1)

    @torch.no_grad()
    def standardise(self, mean: Tensor, spread: Tensor) -> None:
        """Take the mean from every output and divide it by the spread, each ``(kJ,)``."""
        count = len(self.gain)
        self.gain.div_(spread.view(count, -1))
        self.shift.sub_(mean.view(count, -1)).div_(spread.view(count, -1))


class Dictionary(nn.Module):
    """x = Σ_j z_j d_j + b with atoms of length 1: (B, J) → (B, O).

    Atoms are kept at any length and scaled where they are used, so that no step of an optimiser
    can change their length. The gradient along an atom is 0 by that.

    Args:
        latents: J.
        outputs: O.
    """

    def __init__(self, latents: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(F.normalize(torch.randn(latents, outputs), dim=1))
        self.bias = nn.Parameter(torch.zeros(outputs))

    @property
    def atoms(self) -> Tensor:
        """Every d_j, of length 1, shape ``(J, O)``."""
        length = linalg.vector_norm(self.weight, dim=1, keepdim=True)
        unit: Tensor = self.weight / length.clamp_min(LEAST_LENGTH)
        return unit

    def forward(self, codes: Tensor) -> Tensor:
        """Apply the layer; shapes as in the class."""
        return kernels.transposed_linear(codes, self.atoms, self.bias, relu=False)

    def of_few(self, codes: Tensor, chosen: Tensor) -> Tensor:
        """The same for codes that are 0 but for few dimensions, shape ``(B, O)``.

        Args:
            codes: of the chosen dimensions, shape ``(B, K)``.
            chosen: which they are, shape ``(B, K)``.
        """
        rows = F.embedding_bag(chosen, self.atoms, per_sample_weights=codes, mode="sum")
        return rows + self.bias


@torch.no_grad()
def pair_up(heads: SharedHeads, dictionary: Dictionary, examples: Tensor) -> Tensor:
    """Start an encoder as its dictionary's transpose, both around the mean row.

    Args:
        heads: gets w_j = d_j and the bias −d_j·m, m the mean of the examples.
        dictionary: gets the bias m.
        examples: rows, shape ``(N, D)``; with k > 1 numbers an element in the dictionary, D
            numbers of every atom are taken.

    Returns:
        u of the examples, shape ``(N, J)``.
    """
    inputs = examples.shape[1]
    mean, atoms = examples.mean(0), dictionary.atoms[:, :inputs]
    dictionary.bias[:inputs] = mean
    heads.weight.copy_(atoms)
    heads.bias.copy_(-(atoms @ mean))
    return heads.features(examples)
