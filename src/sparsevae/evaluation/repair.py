"""Images with black and white pixels, or with hidden ones, under likelihoods of their own.

A pixel y_i is noise with probability ρ, then black or white alike often, or else the image's own,

    p(y_i | z) = (1 − ρ) p(x_i = y_i | z) + ρ/2 (1[y_i = 0] + 1[y_i = 1]),

and hidden pixels have no say. With f the image decoded from the code of what is thought to be x,
a pixel is noise with probability r_i = ρ/2 / p(y_i | z), and the next thought is (1 − r) y + r f.
A few rounds of coding and decoding end where both agree. For p(x_i = 0 | z) stands 1 − f_i, for
p(x_i = 1 | z) f_i.

Shape legend: N rows of shape (C, H, W) or (D,).
"""

import torch
from torch import Tensor

from sparsevae.evaluation.passes import batched
from sparsevae.models import Model
from sparsevae.storage.arrays import Floats

ROUNDS = 20
GREY = 0.5  # where a hidden pixel starts


def noise_probability(y: Tensor, f: Tensor, share: float) -> Tensor:
    """r, the probability that a pixel is salt or pepper, elementwise.

    Args:
        y: pixels; what lies strictly between 0 and 1 is no noise.
        f: expected pixels in [0, 1].
        share: ρ in [0, 1).

    Example:
        >>> noise_probability(torch.tensor([0.0, 1.0, 0.4]), torch.tensor(0.25), 0.5)
        tensor([0.4000, 0.6667, 0.0000])
    """
    own = torch.where(y >= 1, f, 1 - f)
    noise = 0.5 * share
    chance = noise / (noise + (1 - share) * own).clamp_min(1e-12)
    return torch.where((y <= 0) | (y >= 1), chance, torch.zeros_like(chance))


def repaired(model: Model, y: Floats, share: float, hidden: Floats) -> Floats:
    """Rows with what was damaged or hidden replaced by what the model expects there.

    Args:
        model: in evaluation mode; of rows in [0, 1] where ``share`` is above 0.
        y: rows as the model takes them, shape ``(N, *shape)``.
        share: ρ, the share of the elements that are salt or pepper, in [0, 1).
        hidden: 1 where an element is hidden, else 0, shape ``(N, *shape)``.
    """
    start = y + hidden * (GREY - y)

    def rounds(both: Tensor) -> Tensor:
        seen, covered = both.unbind(1)
        x = seen
        for _ in range(ROUNDS):
            f = model.reconstruct(x)
            r = torch.maximum(noise_probability(seen, f, share), covered) if share else covered
            x = seen + r * (f - seen)
        return x

    both = torch.stack([torch.from_numpy(part) for part in (start, hidden)], 1).numpy()
    return batched(rounds, both, model)
