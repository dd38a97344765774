"""The estimator's parameters that are plain values, checked before anything is trained."""

from typing import Any, Literal

from pydantic import JsonValue

from sparsevae.networks import Trunk
from sparsevae.training.config import Checked, Count, Positive, Widths


class Settings(Checked):
    """The parameters that are plain values."""

    model: str
    n_components: Count
    target_active: Positive | None
    scaling: Literal["auto", "none", "grey", "minmax", "standard"]
    widths: Widths | None
    trunk: Trunk | None
    max_iter: Count | None
    batch_size: Count | None
    model_arguments: dict[str, Any] | None
    learning_rate: Positive | dict[str, JsonValue] | None
    device: str
    sparse_output: bool
    verbose: bool
