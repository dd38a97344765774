"""Lightning's and Pythae's trainers on the same networks, each in a folder of its own.

They are installed without their dependencies, so that PyTorch stays what it is; the little
that they need beyond the library's own environment is named here.
"""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from plain import Converted, Images, decoder, encoder, plain_model
from torch import Tensor, nn
from torch.utils.data import DataLoader

from sparsevae.training.config import RunConfig

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "build" / "competitors"
PACKAGES = {
    "lightning": ("pytorch-lightning==2.6.6", "lightning-utilities", "torchmetrics", "tqdm"),
    "pythae": ("pythae==0.1.2", "cloudpickle", "imageio", "tqdm"),
}
OnBatch = Callable[[int], None]


def install(name: str) -> str | None:
    """Install a competitor where :func:`available` finds it.

    Returns:
        Why it cannot be had, or None.
    """
    ready = FOLDER / name / "ready"
    if ready.exists():
        return None
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade"]
    command += ["--disable-pip-version-check", "--target", str(ready.parent), *PACKAGES[name]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        return errors[-1] if errors else f"pip ended with status {done.returncode}"
    ready.touch()
    return None


def available(name: str) -> None:
    """Make an installed competitor importable; what the environment has itself goes first."""
    sys.path.append(str(FOLDER / name))


def lightning_loop(config: RunConfig, images: Images, on_batch: OnBatch, *, epochs: int) -> None:
    """The usual loop as a LightningModule; logging, bars and checkpoints are off."""
    available("lightning")
    import pytorch_lightning as lightning

    class Module(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = plain_model(config, images)

        def training_step(self, x: Tensor, index: int) -> Tensor:
            progress = self.global_step / max(1, self.trainer.estimated_stepping_batches - 1)
            return self.model.loss(x, progress).objective

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=1e-3)

        def on_train_batch_end(self, outputs: Any, x: Tensor, index: int) -> None:
            on_batch(len(x))

    loader = DataLoader(Converted(images), batch_size=config.batch_size, shuffle=True)
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(Module(), loader)


def pythae_loop(config: RunConfig, images: Images, on_batch: OnBatch, *, epochs: int) -> None:
    """Pythae's VAE and BaseTrainer, given the networks; its data are floats in memory.

    Raises:
        ValueError: the model is not a VAE, the only one of ours that Pythae has.
    """
    if config.model != "vae":
        raise ValueError(f"Pythae has no {config.model}.")
    available("pythae")
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig
    from pythae.trainers.training_callbacks import TrainingCallback

    class Encoder(BaseEncoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = encoder(2 * config.latents, config.widths)

        def forward(self, x: Tensor) -> Any:
            loc, log_variance = self.layers(x).chunk(2, dim=-1)
            return ModelOutput(embedding=loc, log_covariance=log_variance)

    class Decoder(BaseDecoder):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(decoder(config.latents, config.widths), nn.Sigmoid())

        def forward(self, z: Tensor) -> Any:
            return ModelOutput(reconstruction=self.layers(z))

    class Watch(TrainingCallback):  # type: ignore[misc]
        def on_train_step_end(self, training_config: Any, **rest: Any) -> None:
            on_batch(config.batch_size)

    settings = VAEConfig(
        input_dim=(1, 28, 28), latent_dim=config.latents, reconstruction_loss="bce"
    )
    x = torch.from_numpy(images).float() / 255
    with tempfile.TemporaryDirectory() as folder:
        training = BaseTrainerConfig(
            output_dir=folder,
            num_epochs=epochs,
            learning_rate=1e-3,
            per_device_train_batch_size=config.batch_size,
            no_cuda=True,
        )
        data, watch = BaseDataset(x, torch.zeros(len(x))), Watch()
        model = VAE(settings, encoder=Encoder(), decoder=Decoder())
        BaseTrainer(model, data, training_config=training, callbacks=[watch]).train()
