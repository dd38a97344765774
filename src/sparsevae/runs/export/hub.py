"""Runs on the Hugging Face Hub, by its own client; a run is safetensors and JSON, no pickle."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sparsevae.errors import DownloadError, OutputError, RunFolderError
from sparsevae.runs.export import require
from sparsevae.runs.export.card import model_card
from sparsevae.runs.folder import KEPT, RunFolder
from sparsevae.runs.trained import TrainedModel
from sparsevae.storage.files import write_text

CARD = "README.md"


def save_pretrained(run: TrainedModel | Path | str, folder: Path | str, name: str = "") -> Path:
    """Write what a trained model needs to be used into a folder, with a model card.

    Args:
        run: a trained model, or a finished run folder with its weights.
        folder: where to; files of the same names are replaced.
        name: what the card tells readers to load; the folder when empty.

    Returns:
        The folder.

    Raises:
        RunFolderError: the run is not finished, damaged or keeps no weights.
        OutputError: the folder cannot be written to.
    """
    trained = run if isinstance(run, TrainedModel) else TrainedModel.load(run)
    if trained.path is not None:
        model_card(RunFolder(trained.path), name)  # a run that is not finished is not copied
    target = trained.save(folder)
    write_text(target / CARD, model_card(RunFolder(target), name or str(folder)))
    return target


def from_pretrained(
    name: Path | str,
    folder: Path | str | None = None,
    *,
    revision: str | None = None,
    token: str | None = None,
    endpoint: str | None = None,
) -> TrainedModel:
    """A trained model from a folder or from the Hub; nothing in it is ever executed.

    Args:
        name: a folder that is there, or a repository such as ``me/my-model``.
        folder: where to put a downloaded run; the Hub's cache when None.
        revision: a branch, tag or commit.
        token: of an account, for private repositories.
        endpoint: of another Hub; ``HF_ENDPOINT`` or the public one when None.

    Raises:
        ConfigurationError: the package huggingface_hub is missing.
        DownloadError: the repository cannot be had.
        RunFolderError: it holds no run that can be loaded.
    """
    if Path(name).is_dir():
        return TrainedModel.load(name)
    require(("huggingface_hub",), "The Hugging Face Hub")
    import huggingface_hub

    with _reaching(str(name)):
        where = huggingface_hub.snapshot_download(
            str(name),
            revision=revision,
            token=token,
            endpoint=endpoint,
            local_dir=folder,
            allow_patterns=[*KEPT, CARD],
        )
    return TrainedModel.load(str(where))


def push_to_hub(
    run: TrainedModel | Path | str,
    name: str,
    *,
    private: bool = False,
    token: str | None = None,
    endpoint: str | None = None,
) -> str:
    """Upload a run and its model card; a repository that is missing is made.

    Args:
        run: a trained model, or a finished run folder with its weights.
        name: of the repository, such as ``me/my-model``.
        private: whether a new repository is only for its owner.
        token: of an account; the one that is logged in when None.
        endpoint: of another Hub; ``HF_ENDPOINT`` or the public one when None.

    Returns:
        The address of the upload.

    Raises:
        ConfigurationError: the package huggingface_hub is missing.
        RunFolderError: the run is not finished, damaged or keeps no weights.
        OutputError: the Hub cannot be reached, or refuses.
    """
    require(("huggingface_hub",), "The Hugging Face Hub")
    import huggingface_hub

    client = huggingface_hub.HfApi(endpoint=endpoint, token=token)
    with TemporaryDirectory(prefix="sparsevae-") as place:
        copy = save_pretrained(run, place, name)
        with _reaching(name, OutputError):
            client.create_repo(name, private=private, exist_ok=True)
            done: Any = client.upload_folder(
                repo_id=name,
                folder_path=copy,
                commit_message=f"{RunFolder(copy).config.name} by sparsevae",
            )
    return str(done.commit_url)


@contextmanager
def _reaching(name: str, error: type[Exception] = DownloadError) -> Iterator[None]:
    """Whatever the client raises as one sentence."""
    from huggingface_hub.errors import HFValidationError

    try:
        yield
    except HFValidationError:
        raise RunFolderError(
            f"{name} is no folder, and no name of a repository such as me/my-model."
        ) from None
    except Exception as problem:  # whatever the HTTP library under the client's version raises
        lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
        reason = " ".join(lines[:2]) or type(problem).__name__
        raise error(f"The Hugging Face Hub gives no access to {name}: {reason}") from None
