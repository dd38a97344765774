"""The frontier: points from runs, who is beaten, and an SVG whose points say their numbers."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from sparsevae.metrics import keys
from sparsevae.metrics.table import metric
from sparsevae.report import tables
from sparsevae.report.figures import frontier, points_of, titled_svg
from sparsevae.report.figures.frontier import qualities, undominated
from sparsevae.report.study import Run
from sparsevae.training.config import RunConfig


def run(model, seed=0, latents=16, varied="", **numbers):
    config = RunConfig(dataset="mnist", model=model, latents=latents, seed=seed)
    row = {"model": model, "latents": latents, "seed": seed, "active_per_image": 4.0, "mse": 0.02}
    return Run(config, metrics=row | numbers, varied=varied)


def grid():
    """VSC with three targets and two seeds; a VAE, which has no target."""
    runs = [
        run("vae", seed, active_per_image=16.0, mse=0.01, negative_elbo=90.0) for seed in (0, 1)
    ]
    for target in (2, 4, 8):
        for seed in (0, 1):
            numbers = {"mse": 0.1 / target + 0.001 * seed, "negative_elbo": 120.0 - target}
            varied = f"target_active = {target}, epochs = 3"
            asked = {"active_per_image": target + 0.1, "target_active": float(target)}
            runs.append(run("vsc", seed, varied=varied, **asked, **numbers))
    return runs


def test_a_point_is_a_kind_over_its_seeds():
    points = points_of(grid(), 16)
    assert [(point.curve, point.asked) for point in points] == [
        ("vae", None),
        *(("vsc · epochs = 3", float(target)) for target in (2, 4, 8)),
    ]
    assert points[1].values[keys.MSE].mean == pytest.approx(0.0505)
    assert points[1].active.mean == pytest.approx(2.1)
    assert [quality.key for quality in qualities(points)] == [keys.NEGATIVE_ELBO, keys.MSE]


@pytest.mark.parametrize("runs", [[], grid()[:4], [run("vsc", 0), run("vsc", 1), run("ae")]])
def test_nothing_is_drawn_where_no_target_varies(runs):
    assert points_of(runs, 16) == []
    assert points_of(grid(), 64) == []


def test_a_point_is_beaten_by_one_that_is_better_with_as_few_on():
    few = run("l1", varied="", active_per_image=2.0, mse=0.005)
    points = points_of([*grid(), few], 16)
    open_ones = {p.curve for p in points if undominated(p, points, metric(keys.MSE))}
    assert open_ones == {"l1"}
    bounds = [undominated(p, points, metric(keys.NEGATIVE_ELBO)) for p in points[:4]]
    assert bounds.count(True) == 4  # each has fewer on, or a better bound


def test_every_point_of_the_svg_says_its_numbers():
    points = points_of(grid(), 16)
    text = titled_svg(frontier(points), points)
    root = ElementTree.fromstring(text[text.index("<svg") :])
    titles = [one.text for one in root.iter("{http://www.w3.org/2000/svg}title") if one.text]
    assert len(titles) == len(points) * len(qualities(points))
    error = [title for title in titles if title.startswith("VSC · epochs = 3, 8 asked for")]
    assert any(re.search(r"8\.1 on, MSE .* \(2 seeds\)", title) for title in error)


def test_the_drawn_means_are_those_of_the_seeds():
    points = points_of(grid(), 16)
    panel = frontier(points).axes[1]
    (line,) = [one for one in panel.get_lines() if one.get_label() == "VSC · epochs = 3"]
    scale = metric(keys.MSE).scale
    np.testing.assert_allclose(
        line.get_ydata(), [scale * (0.1 / target + 0.0005) for target in (2, 4, 8)]
    )


def test_the_table_has_what_was_asked_for_beside_what_was_got():
    heads, *lines = tables.frontier(points_of(grid(), 16))
    assert heads[:3] == ["model", "asked", "got"]
    assert lines[0][:3] == ["VAE", "–", "16.0"]
    assert [line[1:3] for line in lines[1:]] == [["2", "2.1"], ["4", "4.1"], ["8", "8.1"]]
