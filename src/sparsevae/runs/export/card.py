"""The model card of a run: what it was trained on, its numbers with definitions, how to load it.

Form: Mitchell et al. 2019, "Model cards for model reporting", cut to what a run folder knows.
"""

from collections.abc import Iterator

from sparsevae.errors import RunFolderError
from sparsevae.metrics.table import headline
from sparsevae.models import MODELS
from sparsevae.runs.folder import RunFolder

HEAD = """---
library_name: sparsevae
tags:
- representation-learning
- sparse-coding
- variational-autoencoder
---
"""


def model_card(run: RunFolder, name: str) -> str:
    """The card in Markdown, with the header that the Hugging Face Hub reads.

    Args:
        run: a finished run.
        name: what the card tells readers to load.

    Raises:
        RunFolderError: the run is not finished.
    """
    if not run.finished:
        raise RunFolderError(f"{run.path} is not finished: finish its training first.")
    config = run.config
    title = MODELS[config.model].title if config.model in MODELS else config.model
    parts = (
        HEAD,
        f"# {title} with {config.latents} latent dimensions, trained on {config.dataset}\n",
        *_about(run),
        "## Numbers\n",
        _measured_on(run),
        *_numbers(run),
        "## Use\n",
        _use(name),
    )
    return "\n".join(parts)


def _measured_on(run: RunFolder) -> str:
    own = "classes" in run.data.model_fields_set
    if own and run.data.test_fraction is None:
        return "Measured on the rows it was trained on; none were held out.\n"
    return f"Measured on the {run.config.split} rows.\n"


def _about(run: RunFolder) -> Iterator[str]:
    config, data = run.config, run.data
    shape = " x ".join(str(length) for length in run.shape)
    form = "images (channels x rows x columns)" if len(run.shape) > 1 else "columns a row"
    yield f"* Data: {config.dataset}; {shape} {form}, {data.dtype}; checksum `{run.data_sha256}`"
    if data.columns:
        yield f"* Columns: {', '.join(data.columns)}"
    if data.classes:
        yield f"* Classes, which only the measuring saw: {', '.join(data.classes)}"
    likelihood = config.arguments.get("likelihood", "bernoulli")
    yield f"* Likelihood: {likelihood}. {data.reason}".rstrip()
    yield f"* Scaling, part of the run: {data.scaling.kind}"
    yield (
        f"* Training: recipe {config.recipe}, {config.epochs} epochs, batch {config.batch_size}, "
        f"seed {config.seed}\n"
    )


def _numbers(run: RunFolder) -> Iterator[str]:
    """A table of the numbers that come first, each with its definition."""
    yield "| number | value | unit | meaning |"
    yield "|---|---|---|---|"
    for metric in headline():
        value = run.metrics.get(metric.key)
        if isinstance(value, int | float):
            number = f"{value * metric.scale:.{metric.digits}f}"
            yield f"| {metric.title} | {number} | {metric.unit} | {metric.definition} |"
    yield ""


def _use(name: str) -> str:
    return f"""```python
from sparsevae import from_pretrained

model = from_pretrained("{name}")
codes = model.encode(rows)  # raw rows in, as they were trained on
restored = model.decode(codes)  # in the units of the data
```
"""
