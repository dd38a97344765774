"""Laws of schedules: the stated values, the same for numbers and tensors, through JSON."""

import json

import pytest
import torch

from sparsevae.errors import ConfigurationError
from sparsevae.models.schedules import (
    KINDS,
    Constant,
    OneCycle,
    Ramp,
    between,
    from_json,
    to_json,
)

SCHEDULES = [Constant(0.3), Ramp(0.1, 0.15), Ramp(0.2, 0.9, first=2.0, last=-1.0), OneCycle(2e-3)]
POINTS = [0.0, 0.1, 0.12, 0.15, 0.3, 0.5, 0.9, 1.0]


@pytest.mark.parametrize(
    ("progress", "value"), [(0, 5.0), (0.2, 5.0), (0.3, 4.0), (0.4, 3.0), (0.6, 1.0), (1, 1.0)]
)
def test_a_ramp_is_flat_then_linear_then_flat(progress, value):
    assert Ramp(0.2, 0.6, first=5.0, last=1.0)(progress) == pytest.approx(value)


def test_a_ramp_ends_exactly():
    ramp = Ramp(0.1, 0.15)
    assert (ramp(0.0), ramp(0.1), ramp(0.15), ramp(1.0)) == (0.0, 0.0, 1.0, 1.0)


def test_one_cycle_rises_to_its_peak_and_falls_to_almost_nothing():
    cycle = OneCycle(peak=1e-2, turn=0.4)
    values = [cycle(step / 1000) for step in range(1001)]
    rising, falling = values[:401], values[400:]
    assert values[0] == pytest.approx(1e-2 / 25)
    assert max(values) == values[400] == pytest.approx(1e-2)
    assert values[-1] == pytest.approx(1e-2 / 25 / 1e4)
    assert rising == sorted(rising)
    assert falling == sorted(falling, reverse=True)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_tensor_of_progress_gives_the_same_values(schedule):
    for point in POINTS:
        found = schedule(torch.tensor(point, dtype=torch.float64))
        assert float(found) == pytest.approx(schedule(point))


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_schedules_survive_json(schedule):
    assert from_json(json.loads(json.dumps(to_json(schedule)))) == schedule


def test_every_kind_is_tried_here():
    assert {type(schedule) for schedule in SCHEDULES} == set(KINDS.values())


def test_a_number_is_a_constant_and_a_schedule_stays_itself():
    assert from_json(0.25) == Constant(0.25)
    assert from_json(SCHEDULES[1]) is SCHEDULES[1]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"kind": "staircase"}, "staircase"),
        ({}, "None"),
        ({"kind": "ramp", "start": 0.1, "end": 0.2, "speed": 3}, "speed"),
        ({"kind": "ramp", "start": 0.1}, "end"),
        ({"kind": "ramp", "start": 0.5, "end": 0.5}, "0.5"),
        ({"kind": "ramp", "start": -0.1, "end": 0.5}, "-0.1"),
        ({"kind": "ramp", "start": 0.1, "end": 1.5}, "1.5"),
        ({"kind": "ramp", "start": "early", "end": 0.5}, "early"),
        ({"kind": "constant", "value": None}, "None"),
        ({"kind": "constant", "value": float("nan")}, "nan"),
        ({"kind": "one-cycle", "peak": 1e-3, "turn": 0}, "turn"),
        ({"kind": "one-cycle", "peak": 1e-3, "turn": 1}, "turn"),
        ("fast", "fast"),
        (None, "None"),
        ([0.1, 0.2], "0.1"),
    ],
    ids=str,
)
def test_a_wrong_schedule_is_one_sentence_that_names_the_mistake(value, named):
    with pytest.raises(ConfigurationError) as caught:
        from_json(value)
    message = str(caught.value)
    assert named in message
    assert message.endswith(".")
    assert "\n" not in message


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_a_range_is_that_of_all_values(schedule):
    values = [schedule(point) for point in POINTS]
    assert between("w", schedule, min(values) - 0.01, max(values) + 0.01) == schedule
    for low, high in ((min(values) + 1e-6, 9.0), (-9.0, max(values) - 1e-6)):
        with pytest.raises(ConfigurationError, match=r"^w must be between [^\n]*\.$"):
            between("w", schedule, low, high)
