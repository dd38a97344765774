"""What a long command shows: runs, numbers, and an estimate of the time left."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from sparsevae.cli import bars


@pytest.fixture
def clock(monkeypatch):
    now = [1.0]
    monkeypatch.setattr(bars.time, "monotonic", lambda: now[0])
    return now


def shown(terminal):
    """Bars that write to memory."""
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    return bars.ProgressBars(console, Progress(console=console, disable=not terminal))


def test_without_a_terminal_lines_say_how_far_it_is(clock):
    lines = shown(terminal=False)
    lines.begin({"a": 1000, "b": 1000})
    lines.images("a", 0)
    clock[0] += 60.0
    lines.images("a", 500)
    said = lines.console.file.getvalue()
    assert "2 runs to do." in said
    assert "25% done, about 3 min left" in said


def test_the_start_of_workers_and_what_checkpoints_had_done_do_not_count(clock):
    lines = shown(terminal=False)
    lines.begin({"a": 1000, "b": 1000})
    clock[0] += 1000.0  # processes start, a kernel is compiled
    lines.images("a", 900)
    assert lines.left() == ""
    clock[0] += 2.0
    lines.images("a", 20)
    assert lines.left() == ", about 2 min left"
    clock[0] += 2.0
    lines.images("b", 800)
    lines.images("b", 20)
    assert lines.left() == ", about 26 s left"
    lines.images("b", -820)  # its worker was killed
    lines.images("b", 810)
    assert sum(lines.done.values()) == 920 + 810


def test_an_estimate_stays_small_for_a_job_of_seconds(clock):
    lines = shown(terminal=False)
    lines.begin({"a": 2000 + 5000})
    clock[0] += 40.0
    lines.images("a", 50)
    clock[0] += 2.0
    lines.images("a", 1950)
    assert lines.left() == ", about 5 s left"


def test_a_pause_is_not_work(clock):
    lines = shown(terminal=False)
    lines.begin({"a": 1000})
    lines.images("a", 0)
    for _ in range(50):
        clock[0] += 1.0
        lines.images("a", 10)
    assert lines.left() == ", about 50 s left"
    clock[0] += 36_000.0  # the machine was asleep
    lines.images("a", 10)
    assert lines.left() == ", about 2 min left"
    for _ in range(25):
        clock[0] += 1.0
        lines.images("a", 10)
    assert lines.left() == ", about 24 s left"


def test_lines_are_not_too_many(clock):
    lines = shown(terminal=False)
    lines.begin({"a": 1000})
    for second in range(100):
        clock[0] = 1.0 + second
        lines.images("a", 10)
    assert lines.console.file.getvalue().count("left") == 4


def test_on_a_terminal_every_run_at_work_has_a_bar(clock):
    lines = shown(terminal=True)
    lines.begin({"a": 1000, "b": 1000})
    lines.images("a", 100)
    lines.images("b", 1000)
    percentages = {task.description: task.percentage for task in lines.bars.tasks}
    assert percentages == pytest.approx({"all runs": 55.0, "a": 10.0, "b": 100.0})
    lines.finished("b", {"mse": 0.02, "negative_elbo": None, "seconds": 3.2})
    assert [task.description for task in lines.bars.tasks] == ["all runs", "a"]
    assert "b: mse 0.02 (3 s)" in lines.console.file.getvalue()


def test_nothing_to_do_is_said(clock):
    lines = shown(terminal=False)
    lines.begin({})
    assert "0 runs to do." in lines.console.file.getvalue()


def test_a_line_is_shown_as_it_is(clock):
    lines = shown(terminal=True)
    lines.listener().say("vary takes [1, 2], not [red] :smile:")
    lines.finished("vsc-[64]", {"mse": 0.02, "seconds": 3.2})
    said = lines.console.file.getvalue()
    assert "vary takes [1, 2], not [red] :smile:" in said
    assert "vsc-[64]: mse 0.02 (3 s)" in said


def test_a_bar_has_the_whole_name_of_its_run(clock):
    with bars._display() as lines:
        lines.expect({"vsc-[red]": 1000})
        lines.images("vsc-[red]", 100)
        column = lines.bars.columns[0]
        assert [column.render(one).plain for one in lines.bars.tasks] == ["all runs", "vsc-[red]"]
