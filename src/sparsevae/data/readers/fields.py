"""What the fields of a column of text look like: numbers and dates as people write them.

Shape legend: N rows.
"""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data.readers.labels import is_number

DECIMAL = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+")
THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?")
SIGNED = re.compile(r"[+-]?[$€£¥]?\s?[+-]?\d+(,\d{3})*([.,]\d+)?\s?[%‰$€£¥°]?")
DATE = re.compile(r"(\d{1,2}[./-]\d{1,2}[./-](\d{4}|\d{2})|\d{4}[./]\d{1,2}[./]\d{1,2})([ T].*)?")
KINDS = (  # a field's pattern, whether plain numbers may stand beside it, and words
    (DECIMAL, True, "numbers with a decimal comma"),
    (THOUSANDS, True, "numbers with commas for thousands"),
    (SIGNED, False, "numbers with a sign or unit"),
    (DATE, False, "dates"),
)
SHOWN = 40  # characters of a field


def written(fields: Sequence[str]) -> str:
    """What all fields are that are neither plain numbers nor ISO dates, or "".

    Examples:
        >>> written(["9,5", "10,25", "7"])
        "numbers with a decimal comma, such as '9,5'"
        >>> written(["05.01.2024"]), written(["a", "b"])
        ("dates, such as '05.01.2024'", '')
    """
    texts = [field.strip() for field in fields]
    odd = next((text for text in texts if not is_number(text)), "")
    fitting = [
        words
        for pattern, plain, words in KINDS
        if odd and all(pattern.fullmatch(text) or (plain and is_number(text)) for text in texts)
    ]
    if not fitting:
        return ""
    either = {KINDS[0][2], KINDS[1][2]} <= set(fitting)
    words = "numbers with commas, for decimals or thousands" if either else fitting[0]
    return f"{words}, such as {odd[:SHOWN]!r}"


def mostly(fields: Any, odd: npt.NDArray[np.bool_], rows: npt.NDArray[np.int64], what: str) -> str:
    """Where a column that is mostly of one kind holds something else, or "" where it is not.

    Args:
        fields: shape ``(N,)``, without gaps.
        odd: which of them are of another kind, shape ``(N,)``.
        rows: their rows, counted from 0, shape ``(N,)``.
        what: the kind, in words.
    """
    if 2 * odd.sum() >= len(odd):
        return ""
    place, others = int(odd.argmax()), int(odd.sum()) - 1
    more = f" and {others:,} more" if others else ""
    found = str(np.asarray(fields, dtype=object)[place])[:SHOWN]
    return (
        f"{int((~odd).sum()):,} {what}, and {found!r} in row {int(rows[place]) + 1:,}{more}: "
        "correct it, or empty the field"
    )
