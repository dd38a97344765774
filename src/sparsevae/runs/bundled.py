"""Trained models that come with the package; ``tools/make_starting_model.py`` makes them."""

from pathlib import Path

FOLDER = Path(__file__).with_name("bundled_models")


def names() -> tuple[str, ...]:
    """The names that :func:`sparsevae.load` knows without a folder.

    Example:
        >>> names()
        ('mnist-vsc-64',)
    """
    return tuple(sorted(path.name for path in FOLDER.iterdir() if path.is_dir()))


def place(folder: Path | str) -> Path:
    """The run folder that is meant: what is there, else the package's model of that name.

    Args:
        folder: a path, or one of :func:`names`.

    Example:
        >>> place("mnist-vsc-64").name, place("study/runs/mine").as_posix()
        ('mnist-vsc-64', 'study/runs/mine')
    """
    path = Path(folder)
    return FOLDER / path if not path.exists() and str(folder) in names() else path
