"""What a finished run is worth, in a few sentences from its folder."""

from sparsevae.metrics import keys
from sparsevae.runs.folder import RunFolder
from sparsevae.training import restarts


def summary(run: RunFolder) -> list[str]:
    """How good a finished run is beside principal components, and whether it began anew.

    The error is that of held-out rows in the units of the data where all columns are scaled
    alike, and of scaled columns where they are not.
    """
    number = restarts.attempt(run.history)
    anew = [f"The run was {restarts.sentence(run.config, number)}."] if number else []
    return [*anew, *_quality(run)]


def last_words(run: RunFolder) -> tuple[list[str], bool]:
    """What the diagnosis ends with, and whether that is an alarm.

    Returns:
        One line an alarm; without alarms one line about what else was found.
    """
    findings = run.diagnosis.get("findings", ())
    alarms = [found["sentence"] for found in findings if found["severity"] == "alarm"]
    if alarms:
        return [f"Alarm: {sentence}" for sentence in alarms], True
    warnings = [found["sentence"] for found in findings if found["severity"] == "warning"]
    if warnings:
        return [f"Warning: {sentence}" for sentence in warnings], False
    return ["Diagnosis: no alarm, no warning."], False


def _quality(run: RunFolder) -> list[str]:
    """One line: the error beside those of the mean row and of principal components."""
    error, beside = run.metrics.get(keys.MSE), run.baselines
    if error is None or not beside:
        return []
    scales = set(run.data.scaling.scale)
    unit = scales.pop() ** 2 if len(scales) == 1 else 1.0
    where = "" if not scales else " of scaled columns"
    largest = len(beside["pca"]) - 1
    active = run.metrics.get(keys.ACTIVE_PER_IMAGE)
    counts = [largest]
    if active is not None and 0 < round(active) < largest:
        counts.append(round(active))
    others = [f"PCA-{count} {unit * beside['pca'][count]:.4g}" for count in counts]
    if len(counts) > 1:
        others[-1] += ", as many as are on in a row"
    share = f" ({error / beside['mean_row']:.1%} of the mean row's)" if beside["mean_row"] else ""
    return [
        f"Held-out squared error{where}: {unit * error:.4g}{share}; beside it "
        f"{' and '.join(others)}."
    ]
