"""Cards: what is gathered of every dimension, against a plain calculation, and the page."""

import re

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_wine
from tests.test_own_data import command

from sparsevae.data import Raw
from sparsevae.errors import DatasetError
from sparsevae.evaluation import cards
from sparsevae.report import cards as pages
from sparsevae.runs.given import raw_rows
from sparsevae.runs.train import fit

RNG = np.random.default_rng(0)
N, J = 700, 30
CODES = np.where(RNG.random((N, J)) < RNG.random(J) / 3, RNG.normal(size=(N, J)), 0)
CODES = CODES.astype(np.float32)
CODES[:, 7] = 0
CODES[:, 9] = np.where(RNG.random(N) < 0.9, CODES[:, 8], 0)
LABELS = RNG.integers(0, 4, N)


def gathered(size):
    blocks = (CODES[at : at + size] for at in range(0, N, size))
    return cards.gather(blocks, J, LABELS, 4)


@pytest.mark.parametrize("size", [1, 64, N])
def test_statistics_are_those_of_all_codes_however_they_come(size):
    found = gathered(size)
    np.testing.assert_array_equal(found.on, (CODES != 0).sum(0))
    for j in range(J):
        own = np.flatnonzero(CODES[:, j])
        expected = own[np.argsort(-np.abs(CODES[own, j]), kind="stable")][: cards.TOP]
        real = found.top.rows[j] >= 0
        np.testing.assert_array_equal(found.top.rows[j][real], expected)
        np.testing.assert_array_equal(found.top.values[j][real], CODES[expected, j])
        drawn = found.sample.rows[j][found.sample.rows[j] >= 0]
        assert len(drawn) == len(set(drawn)) == min(len(own), cards.SAMPLED)
        assert set(drawn) <= set(own)
        profile = np.bincount(LABELS[own], minlength=4)
        np.testing.assert_array_equal(found.profile[j], profile)


def test_partners_are_the_gates_of_largest_correlation(monkeypatch):
    monkeypatch.setattr(cards, "CHUNK", 7)
    on = (CODES != 0).astype(float)
    partners, together = cards.co_activation(sparse.csr_array(on))
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.nan_to_num(np.corrcoef(on.T))
    joint = on.T @ on
    expected[joint < cards.JOINT] = 0
    np.fill_diagonal(expected, 0)
    for j in range(J):
        best = np.sort(expected[j][expected[j] > 1e-12])[::-1][: cards.PARTNERS]
        named = partners[j][partners[j] >= 0]
        np.testing.assert_allclose(expected[j, named], best, atol=1e-6)
        np.testing.assert_allclose(together[j][: len(named)], joint[j, named] / on[:, j].sum())
    assert partners[8, 0] == 9
    assert (partners[7] == -1).all()


@pytest.fixture(scope="module")
def wine():
    frame = load_wine(as_frame=True)
    return fit(frame.data, latents=4, epochs=2), raw_rows(frame.data, frame.target)


def test_the_page_has_a_card_for_every_dimension_and_escapes_captions(wine, tmp_path):
    trained, raw = wine
    captions = tmp_path / "captions.csv"
    captions.write_text("text\n" + "<script>alert(1)</script>\n" * len(raw.values))
    (page,) = pages.write_cards(trained, raw, tmp_path / "cards.html", captions)
    text = page.read_text()
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    alive = (trained.encode(raw) != 0).any(0)
    assert text.count("<article") == alive.sum()
    assert "proline" in text
    assert not re.search(r'(src|href)="(?!data:|cards)', text)


def test_many_dimensions_are_paged_the_most_used_first(wine, tmp_path, monkeypatch):
    trained, raw = wine
    monkeypatch.setattr(pages, "A_PAGE", 2)
    written = pages.write_cards(trained, raw, tmp_path / "cards.html")
    on = (trained.encode(raw) != 0).sum(0)
    shown = [int(j) for page in written for j in re.findall(r'id="z(\d+)"', page.read_text())]
    assert shown == [j for j in np.argsort(-on, kind="stable") if on[j]]
    assert [page.name for page in written] == ["cards.html", "cards-2.html"][: len(written)]


@pytest.mark.parametrize("shape", [(30, 9, 8), (30, 3, 9, 8), (30, 2, 9, 8)], ids=str)
def test_images_are_thumbnails(shape, tmp_path):
    images = RNG.random(shape).astype(np.float32)
    channels = None if len(shape) < 4 or shape[1] == 3 else "first"
    trained = fit(images, "ae", latents=3, epochs=1, channels=channels)
    raw = raw_rows(images, channels=channels)
    (page,) = pages.write_cards(trained, raw, tmp_path / "cards.html")
    assert page.read_text().count('src="data:image/png;base64,') == 3


def test_captions_of_another_number_are_one_sentence(wine, tmp_path):
    trained, raw = wine
    (tmp_path / "captions.txt").write_text("one\ntwo\n")
    with pytest.raises(DatasetError, match="2 captions for 178 rows"):
        pages.write_cards(trained, raw, tmp_path / "cards.html", tmp_path / "captions.txt")
    assert isinstance(raw, Raw)
    assert not (tmp_path / "cards.html").exists()


def test_the_command_writes_the_page(tmp_path, capsys):
    np.save(tmp_path / "rows.npy", load_wine().data)
    run = tmp_path / "run"
    assert command("fit", tmp_path / "rows.npy", "--latents", 3, "--epochs", 1, "--out", run) in (
        0,
        3,
    )
    assert command("cards", run, "--out", tmp_path / "cards.html") == 0
    assert f"Cards: {tmp_path / 'cards.html'}" in capsys.readouterr().out
    assert command("cards", run, "--out", tmp_path / "cards.txt") == 2
    saved = fit(load_wine().data, latents=2, epochs=1).save(tmp_path / "saved")
    assert command("cards", saved, "--out", tmp_path / "cards.html") == 2
    assert "name some with --data" in capsys.readouterr().err
