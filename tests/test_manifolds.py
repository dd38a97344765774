"""A union of manifolds: what is drawn, and which dimensions count for a manifold."""

import numpy as np
import pytest
import torch

from sparsevae import data
from sparsevae.experiments.reproductions import union_of_manifolds as union
from sparsevae.models import build
from sparsevae.models.distributions import Point


def test_every_manifold_has_four_dimensions_of_its_own():
    rows, manifold = union.sample(3000, 9)
    assert rows.shape == (3000, union.DIMENSIONS)
    assert np.bincount(manifold).min() > 800
    ranks = [np.linalg.matrix_rank(rows[manifold == n], tol=1e-2) for n in range(3)]
    assert ranks == [4, 4, 4]
    assert np.linalg.matrix_rank(rows, tol=1e-2) == 12
    np.testing.assert_allclose(np.linalg.norm(union.directions(), axis=1), 1, rtol=1e-6)
    again = union.sample(3000, 9)[0]
    np.testing.assert_array_equal(again, rows)


@pytest.mark.parametrize("name", ["ae", "vae", "vsc", "vaease", "l1"])
def test_what_is_active_is_what_carries_a_row(name):
    torch.manual_seed(0)
    x = torch.randn(7, 4)
    model = build(name, (4,), 3, widths=(5,), arguments={}, examples=x)
    on = union.active(model, x)
    assert on.shape == (7, 3)
    q = model.posterior(x)
    if name == "ae":
        assert on.all()
    elif name == "vae":
        np.testing.assert_array_equal(on, (q.variance < 0.05).detach().numpy())
    elif name == "vaease":
        np.testing.assert_array_equal(on, (q.log_variance < np.log(0.05)).detach().numpy())
    else:
        np.testing.assert_array_equal(on, (q.spike_probability > 0.5).detach().numpy())


class Oracle(torch.nn.Module):
    """A code of the true coordinates, but for one that two manifolds share."""

    has_gates, latents = True, 12

    def posterior(self, x):
        parts = torch.linalg.lstsq(torch.from_numpy(union.directions()).T, x.T).solution.T
        on = (parts.abs() > 1e-3).float()
        on[:, 4] = torch.maximum(on[:, 4], on[:, 0])
        return Point(on, sparse=True)


class Run:
    """A run of it."""

    def load(self):
        return Oracle()


def test_supports_are_counted_and_compared():
    found = union.measure(Run())
    assert (found["active_least"], found["active_most"]) == (4, 5)
    assert found["active_mean"] == pytest.approx(13 / 3)
    assert found["support_overlap"] == pytest.approx(1 / 8 / 3)


def test_the_rows_are_a_data_set_of_that_name():
    few = data.load(union.NAME, limit=30)
    assert few.train.images.shape == few.test.images.shape == (30, 40)
    assert not np.array_equal(few.train.images, few.test.images)
