"""Names in files: which fields are numbers and not names, and how errors list names."""

from collections.abc import Sequence

SHOWN = 10
LONGEST = 40


def is_number(field: str) -> bool:
    """Whether a text is a number: as Python reads it, but for `1_000`, which is a name."""
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field


def listed(names: Sequence[str]) -> str:
    """The first few names with commas between them, and how many there are besides.

    Examples:
        >>> listed([f"x{place}" for place in range(12)])
        "'x0', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8', 'x9' and 2 more"
    """
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(repr(name[:LONGEST]) for name in names[:SHOWN]) + more
