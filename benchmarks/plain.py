"""The usual way: the same models on PyTorch's own layers, a Dataset and a DataLoader.

Only the layers and the loop differ from the library: the losses, and so the arithmetic that
they ask for, are the same. Convolutions are `nn.Conv2d` and `nn.ConvTranspose2d`, images are
converted one by one as `torchvision.transforms.ToTensor` does, Adam is PyTorch's default and
the loss is read after every step.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from sparsevae.models import Model
from sparsevae.runs.training import new_model
from sparsevae.training.config import RunConfig

Images = npt.NDArray[np.uint8]
SIDE = 7  # of the last map of 28x28 images


def encoder(outputs: int, widths: tuple[int, ...]) -> nn.Sequential:
    """The encoder's trunk and head for (B, 1, 28, 28): (B, outputs)."""
    first, second, wide = widths
    return nn.Sequential(
        nn.Conv2d(1, first, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(first, second, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(second, wide, SIDE),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(wide, outputs),
    )


def decoder(latents: int, widths: tuple[int, ...]) -> nn.Sequential:
    """The encoder's mirror image: (B, J) to (B, 1, 28, 28)."""
    first, second, wide = widths
    return nn.Sequential(
        nn.Linear(latents, wide),
        nn.ReLU(),
        nn.Unflatten(1, (wide, 1, 1)),
        nn.ConvTranspose2d(wide, second, SIDE),
        nn.ReLU(),
        nn.ConvTranspose2d(second, first, 3, stride=2, padding=1, output_padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(first, 1, 3, stride=2, padding=1, output_padding=1),
    )


def plain_model(config: RunConfig, images: Images) -> Model:
    """The model of a run with its two networks made of PyTorch's layers."""
    model = new_model(config, torch.from_numpy(images))
    *trunk, head = encoder(model.encoder.head.out_features, config.widths)
    model.encoder.trunk, model.encoder.head = nn.Sequential(*trunk), head
    codes = next(model.decoder.parameters()).shape[1]  # with the gates, where it takes them
    model.decoder.trunk = decoder(codes, config.widths)
    return model


class Converted(Dataset[Tensor]):
    """Images that are converted from uint8 to float when they are asked for, one by one."""

    def __init__(self, images: Images) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        rows = self.images[index].transpose(1, 2, 0)  # (H, W, C), as an image file gives it
        return torch.from_numpy(rows).permute(2, 0, 1).contiguous().to(torch.float32).div(255)


def usual_loop(
    config: RunConfig, images: Images, on_batch: Callable[[int], None], *, epochs: int
) -> None:
    """Train as most scripts do; `on_batch` gets the number of images after every step."""
    model = plain_model(config, images).train()
    optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    loader = DataLoader(Converted(images), batch_size=config.batch_size, shuffle=True)
    steps = epochs * len(loader)
    for epoch in range(epochs):
        total = 0.0
        for step, x in enumerate(loader, start=epoch * len(loader)):
            loss = model.loss(x, step / max(1, steps - 1)).objective
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item()
            on_batch(len(x))
