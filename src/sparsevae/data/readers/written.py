"""A table in text as it was written, with its gaps filled.

Shape legend: N rows, G gaps of a column.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data.readers.labels import is_number
from sparsevae.data.readers.mixed import as_text
from sparsevae.data.schema import Column, Schema, missing

MOST_DECIMALS = 6  # of a number that is written with as many as the others of its column


def as_written(path: str, frame: Any, filled: Any, schema: Schema) -> Any:
    """The fields of a table in text, letter by letter, but for its gaps.

    Args:
        path: the table; of one in Parquet the filled frame is returned.
        frame: what :func:`sparsevae.data.readers.mixed.read_frame` gave for it, N rows.
        filled: the same rows without gaps in the columns of the schema.
        schema: what the columns are.

    Raises:
        DatasetError: the file cannot be read.
    """
    place = Path(path).expanduser()
    if place.suffix.lower() == ".parquet":
        return filled
    text = as_text(place, schema)
    for column in schema.columns:
        gaps = missing(frame[column.name]) & ~missing(filled[column.name])
        if gaps.any():
            own = text[column.name].to_numpy(object, copy=True)
            own[gaps] = spelled(column, own[~gaps].tolist(), filled[column.name][gaps].tolist())
            text[column.name] = own
    return text


def spelled(column: Column, fields: Sequence[str], values: Sequence[Any]) -> list[str]:
    """Values as the other fields of their column are written.

    Args:
        column: what they are.
        fields: those that are there.
        values: of the gaps, G of them.

    Examples:
        >>> spelled(Column("price", "number"), ["51.00", "7.25"], [3.14159])
        ['3.14']
        >>> spelled(Column("flag", "boolean", dtype="bool"), ["true", "false"], [True])
        ['true']
    """
    texts = [field.strip() for field in fields if field.strip()]
    if column.dtype == "bool":
        known = {text.lower(): text for text in texts}
        return [known.get(str(bool(value)).lower(), str(bool(value))) for value in values]
    if column.kind == "date":
        blank = any(text[10:11] == " " for text in texts)
        return [str(value).replace("T", " ") if blank else str(value) for value in values]
    if column.kind == "category":
        return [str(value) for value in values]
    plain = [text for text in texts if is_number(text) and "e" not in text.lower()]
    decimals = {len(text.partition(".")[2]) for text in plain}
    if len(decimals) == 1 and max(decimals) <= MOST_DECIMALS:
        return [f"{float(value):.{max(decimals)}f}" for value in values]
    most = max(decimals, default=MOST_DECIMALS)
    return [np.format_float_positional(float(value), most, trim="-") for value in values]
