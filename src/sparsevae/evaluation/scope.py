"""How much of the data the other columns are of, and what was left out, in words."""

from sparsevae.evaluation.limits import CLASSES, COUNTED, TAUGHT, Counted, class_pairs
from sparsevae.evaluation.one_pass import Pass
from sparsevae.metrics import keys
from sparsevae.metrics.probes import too_few
from sparsevae.metrics.table import PROBE_SIZES
from sparsevae.storage.arrays import Row


def scope_columns(one: Pass) -> Row:
    """Rows and classes that there are, and those that are measured."""
    row: Row = {
        keys.ROWS_GIVEN: one.given or len(one.rows),
        keys.ROWS_MEASURED: len(one.rows),
        keys.CLASSES_GIVEN: one.classes if one.labels is not None else None,
        keys.CLASSES_MEASURED: None,
        keys.CLASS_PAIRS: None,
    }
    if one.labels is not None:
        count = 0 if one.counted is None else len(one.counted.classes)
        row[keys.CLASSES_MEASURED] = count
        row[keys.CLASS_PAIRS] = len(class_pairs(count)[0])
    return row


def left_out(one: Pass, row: Row) -> tuple[str, ...]:
    """What was left out, a sentence each; of what was not asked for nothing is said.

    Args:
        one: what was measured.
        row: its metrics.
    """
    notes, rows = [], len(one.rows)
    if one.given > rows:
        notes.append(f"Of {one.given:,} rows a fixed sample of {rows:,} was measured.")
    if one.labels is None:
        return tuple(notes)
    counted = one.counted
    if counted is None:
        notes.append(
            f"What needs classes was left out: of {one.classes:,} no two have "
            f"{COUNTED} rows among the {rows:,} that were measured."
        )
    elif not counted.whole:
        notes.append(
            f"What needs classes was measured on {len(counted.classes)} of {one.classes:,}: of "
            f"more than {CLASSES} those with most rows, and of equally many a fixed sample."
        )
    if one.train is None or one.train.labels is None:
        return tuple(notes)
    images = len(one.model.shape) > 1
    if images and keys.CLASSIFIER_ACCURACY in row and one.classifier is None:
        notes.append(
            "Distances and paths of images, which a classifier measures, were left out: "
            f"{one.classes:,} classes have {len(one.train):,} rows to train on, fewer than "
            f"{TAUGHT} each."
        )
    if counted is not None and keys.probe(PROBE_SIZES[0]) in row:
        notes += _probes(one, row, counted)
    return tuple(notes)


def _probes(one: Pass, row: Row, counted: Counted) -> list[str]:
    """Which probes were left out, a sentence for each reason."""
    if one.refine:
        return [
            "Probes were left out: they learn from codes of training rows, which are not refined."
        ]
    few = [size for size in PROBE_SIZES if too_few(counted.labels, size)]
    known, classes = 0 if one.train is None else len(one.train), len(counted.classes)
    blank = [size for size in PROBE_SIZES if size <= known and row[keys.probe(size)] is None]
    many = [size for size in blank if size not in few]
    reasons = (
        (few, f"{classes} classes would have fewer than two each."),
        (many, f"{one.model.latents:,} numbers a code and {classes} classes are too many there."),
    )
    return [
        f"Probes with {' and '.join(map(str, sizes))} labelled rows were left out: {why}"
        for sizes, why in reasons
        if sizes
    ]
