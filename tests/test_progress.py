"""What a long command shows: runs, numbers, and an estimate of the time left."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress

from sparsevae.cli import progress


def follower(monkeypatch, terminal):
    """A follower that writes to memory, and its clock."""
    clock = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock[0])
    console = Console(file=io.StringIO(), force_terminal=terminal, width=120)
    bars = Progress(console=console, disable=not terminal)
    return progress.Follower(console, bars), clock


def test_without_a_terminal_lines_say_how_far_it_is(monkeypatch):
    follow, clock = follower(monkeypatch, terminal=False)
    follow.begin({"a": 1000, "b": 1000})
    clock[0] = 60.0
    follow.progress("a", 500)
    said = follow.console.file.getvalue()
    assert "2 runs to do." in said
    assert "25% done, about 3 min left" in said


def test_lines_are_not_too_many(monkeypatch):
    follow, clock = follower(monkeypatch, terminal=False)
    follow.begin({"a": 1000})
    for second in range(100):
        clock[0] = float(second)
        follow.progress("a", 10)
    assert follow.console.file.getvalue().count("left") == 3


def test_on_a_terminal_every_run_at_work_has_a_bar(monkeypatch):
    follow, _ = follower(monkeypatch, terminal=True)
    follow.begin({"a": 1000, "b": 1000})
    follow.progress("a", 100)
    follow.progress("b", 1000)
    shown = {task.description: task.percentage for task in follow.bars.tasks}
    assert shown == pytest.approx({"all runs": 55.0, "a": 10.0, "b": 100.0})
    follow.finished("b", {"mse": 0.02, "negative_elbo": None, "seconds": 3.2})
    assert [task.description for task in follow.bars.tasks] == ["all runs", "a"]
    assert "b: mse 0.02 (3 s)" in follow.console.file.getvalue()


def test_nothing_to_do_is_said(monkeypatch):
    follow, _ = follower(monkeypatch, terminal=False)
    follow.begin({})
    assert "0 runs to do." in follow.console.file.getvalue()
