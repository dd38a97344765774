"""A page of cards: for every dimension the rows in which it is largest, and what goes with it.

The most used dimensions come first; more than a page holds are on further pages beside it.

Shape legend: N rows of shape (D,) or (C, H, W), J latent dimensions.
"""

import base64
import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sparsevae.data import Raw
from sparsevae.errors import DatasetError
from sparsevae.evaluation.cards import Cards, gather
from sparsevae.evaluation.passes import batched
from sparsevae.evaluation.pictures import shades
from sparsevae.report.page import write_page
from sparsevae.runs.given import nameless
from sparsevae.runs.trained import TrainedModel
from sparsevae.storage.arrays import Array, Floats

A_PAGE = 200  # cards
BARS = 24
CODES = 2**22  # numbers of codes that are held at once
NAMED = 5  # columns and classes of a card
SIDE = 56  # pixels of a thumbnail
ACROSS = 6  # thumbnails beside each other
LONGEST = 160  # letters of a caption
FEW_COLUMNS = 64  # columns without names that are still worth listing
ABOUT = (
    "The dimensions that are on most often come first. Values are those of the deterministic "
    "code; a row has the number that it has in the data, from 0. Partners are the dimensions "
    "whose gates are correlated most with this one's, and the share of its rows in which they "
    "are on as well."
)

Lines = list[tuple[str, str]]


@dataclass(frozen=True)
class Card:
    """What the page says of a dimension."""

    dimension: int
    often: str
    picture: str
    top: Lines
    bars: list[float]
    low: str
    high: str
    lists: list[tuple[str, Lines]]


def write_cards(
    trained: TrainedModel, raw: Raw, out: Path, captions: Path | None = None
) -> list[Path]:
    """Write the page of all dimensions of a model, and further pages where there are many.

    Args:
        trained: the model.
        raw: rows that its dimensions are shown on, perhaps with labels.
        out: the first page, ending in .html.
        captions: one line a row, .txt, or the first column of a .csv with a heading.

    Returns:
        The pages' paths.

    Raises:
        DatasetError: the rows are of another kind, or the captions of another number.
        OutputError: a page cannot be written.
    """
    rows = trained.values(raw)
    latents = trained.model.latents
    cards = gather(_codes(trained, rows), latents, raw.labels, len(raw.classes))
    order = np.argsort(-cards.on, kind="stable")
    alive = order[: int((cards.on > 0).sum())]
    texts = _captions(captions, cards, len(rows)) if captions is not None else {}
    pages = [alive[at : at + A_PAGE] for at in range(0, max(1, len(alive)), A_PAGE)]
    names = [out.name, *(f"{out.stem}-{n}{out.suffix}" for n in range(2, len(pages) + 1))]
    dead = np.sort(order[len(alive) :])
    for number, chosen in enumerate(pages):
        made = [_card(j, cards, rows, texts, raw, trained) for j in chosen.tolist()]
        for card, lines in zip(made, _effects(trained, raw, cards, chosen), strict=True):
            card.lists.extend([("What it adds to its top row", lines)] if lines else [])
        write_page(
            out.with_name(names[number]),
            "cards.html",
            heading=f"{trained.config.model} on {trained.config.dataset}",
            facts=_facts(cards, len(dead)),
            about=ABOUT,
            names=names,
            number=number,
            cards=made,
            dead=ranges(dead.tolist()) if number == len(pages) - 1 else "",
        )
    return [out.with_name(name) for name in names]


def ranges(numbers: Sequence[int]) -> str:
    """Ascending numbers, those that follow each other as one.

    Example:
        >>> ranges([1, 4, 5, 6, 9, 10])
        '1, 4–6, 9, 10'
    """
    parts = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1) if len(numbers) else []
    return ", ".join(
        f"{part[0]}–{part[-1]}" if len(part) > len("ab") else ", ".join(map(str, part))
        for part in parts
    )


def _codes(trained: TrainedModel, rows: Array) -> Iterator[Floats]:
    step = max(1, min(CODES // trained.model.latents, CODES // math.prod(rows.shape[1:])))
    for start in range(0, len(rows), step):
        block = trained.scaled(np.asarray(rows[start : start + step]))
        yield batched(trained.model.encode, block, trained.model)


def _facts(cards: Cards, dead: int) -> list[str]:
    latents = len(cards.on)
    facts = [
        f"{cards.rows:,} rows",
        f"{latents:,} dimensions",
        f"{cards.on.sum() / max(1, cards.rows):.1f} on a row",
        f"{dead:,} never on",
    ]
    if cards.paired < cards.rows:
        facts.append(f"partners from the first {cards.paired:,} rows")
    return facts


def _captions(path: Path, cards: Cards, count: int) -> dict[int, str]:
    """Captions of the rows that are shown; no others are kept."""
    wanted, kept, seen = set(cards.top.rows.ravel().tolist()), dict[int, str](), 0
    try:
        with path.open(newline="", encoding="utf-8") as file:
            lines: Any = csv.reader(file) if path.suffix.lower() == ".csv" else ([x] for x in file)
            if path.suffix.lower() == ".csv":
                next(lines, None)
            for seen, line in enumerate(lines, start=1):
                if seen - 1 in wanted:
                    kept[seen - 1] = " ".join((line or [""])[0].split())[:LONGEST]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DatasetError(f"cannot read captions from {path}: {str(error)[:200]}.") from None
    if seen != count:
        raise DatasetError(
            f"{path} holds {seen} captions for {count} rows; give one line a row"
            f"{', under a heading' if path.suffix.lower() == '.csv' else ''}."
        )
    return kept


def _card(
    j: int, cards: Cards, rows: Array, texts: dict[int, str], raw: Raw, trained: TrainedModel
) -> Card:
    real = np.isfinite(cards.top.keys[j])
    places, values = cards.top.rows[j][real], cards.top.values[j][real]
    sample = cards.sample.values[j][np.isfinite(cards.sample.keys[j])]
    counts, edges = np.histogram(sample, BARS)
    lists: list[tuple[str, Lines]] = []
    if raw.labels is not None and cards.profile.shape[1]:
        lists.append(("Classes", _classes(j, cards, raw.classes)))
    partners = [
        (f"z{k}", f"{share:.0%}")
        for k, share in zip(cards.partners[j].tolist(), cards.together[j].tolist(), strict=True)
        if k >= 0
    ]
    if partners:
        lists.append(("On together with", partners))
    images = rows.ndim > len(("row", "column"))
    if images and texts:
        lists.append(("Top rows", _top(places, values, texts)))
    return Card(
        j,
        _percent(cards.on[j] / cards.rows),
        _thumbnails(np.asarray(rows[places]), trained) if images else "",
        [] if images else _top(places, values, texts),
        (10 * counts / max(1, counts.max())).round(2).tolist(),
        f"{edges[0]:.3g}",
        f"{edges[-1]:.3g}",
        lists,
    )


def _top(places: Array, values: Floats, texts: dict[int, str]) -> Lines:
    return [
        (f"{place}: {texts[place]}" if place in texts else f"row {place}", f"{value:.3g}")
        for place, value in zip(places.tolist(), values.tolist(), strict=True)
    ]


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.2g}" if share < 1e-4 else f"{share:.2%}"


def _classes(j: int, cards: Cards, names: Sequence[str]) -> Lines:
    """The classes in which a dimension is on most often."""
    share = cards.profile[j] / np.maximum(cards.totals, 1)
    best = np.argsort(-share, kind="stable")[:NAMED]
    return [(str(names[c]), f"{share[c]:.0%} of its rows") for c in best if share[c] > 0]


def _thumbnails(images: Array, trained: TrainedModel) -> str:
    """The images as one picture, a ``data:`` address."""
    data = trained.data
    shade = shades(data.scaling, data.low, data.high)
    levels = shade(data.scaling.apply(images))
    tiles = [_thumbnail(tile) for tile in levels]
    down = -(-len(tiles) // ACROSS)
    across = ACROSS
    sheet = Image.new("RGB", (across * (SIDE + 2), down * (SIDE + 2)), (128, 128, 128))
    for place, tile in enumerate(tiles):
        y, x = divmod(place, across)
        sheet.paste(tile, (x * (SIDE + 2) + 1, y * (SIDE + 2) + 1))
    file = io.BytesIO()
    sheet.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


def _thumbnail(levels: npt.NDArray[np.uint8]) -> Image.Image:
    """One image of shape (C, H, W); of other numbers of channels than three their mean."""
    colour = levels.shape[0] == len("RGB")
    flat = np.moveaxis(levels, 0, 2) if colour else levels.mean(0).astype(np.uint8)
    picture = Image.fromarray(np.ascontiguousarray(flat)).convert("RGB")
    small = max(picture.size) <= SIDE
    way = Image.Resampling.NEAREST if small else Image.Resampling.LANCZOS
    return picture.resize((SIDE, SIDE), way)


def _effects(
    trained: TrainedModel, raw: Raw, cards: Cards, chosen: npt.NDArray[np.int64]
) -> list[Lines]:
    """Columns that a dimension moves most, from off to its value in its top row, as scaled."""
    names = raw.columns or nameless(math.prod(trained.model.shape))
    vectors = len(trained.model.shape) == 1
    known = raw.columns != nameless(len(raw.columns)) or len(raw.columns) <= FEW_COLUMNS
    if not vectors or not known or not len(chosen):
        return [[] for _ in chosen]
    codes = np.zeros((1 + len(chosen), trained.model.latents), np.float32)
    codes[np.arange(1, len(codes)), chosen] = cards.top.values[chosen, 0]
    means = batched(trained.model.decode, codes, trained.model)
    effects = means[1:] - means[:1]
    order = np.argsort(-np.abs(effects), axis=1, kind="stable")[:, :NAMED]
    return [
        [(str(names[c]), f"{effects[i, c]:+.2g}") for c in best if effects[i, c] != 0]
        for i, best in enumerate(order)
    ]
