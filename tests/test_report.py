"""The report: one file that needs nothing else, true to the runs, and says what is missing."""

import html
import re
import shutil
import subprocess
import tempfile
from html.parser import HTMLParser

import pytest

from sparsevae import report
from sparsevae.config import StudyConfig
from sparsevae.errors import RunFolderError
from sparsevae.fitting import train_run
from sparsevae.measuring import unit
from sparsevae.metrics import bounds
from sparsevae.pictures import NOISE_SEED, SIGMAS
from sparsevae.recipes import runs as runs_of
from sparsevae.report import columns
from sparsevae.runs import RunFolder
from sparsevae.storage import read_json, write_json
from sparsevae.study import finished_runs

VOID = {"meta", "img", "input", "br", "link", "hr"}


class Page(HTMLParser):
    """Tags, texts by section and what a page refers to; fails where tags do not close."""

    def __init__(self, path):
        super().__init__()
        self.open, self.tags, self.texts = [], [], []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)
        self.close()
        assert not self.open, f"{self.open} are not closed"

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open, f"{tag} closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip() and self.open[-1:] != ["style"]:
            self.texts.append(" ".join(data.split()))

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def text(self):
        return " ".join(self.texts)

    def table(self, section):
        """The rows of a section by their first cell, without flags."""
        return {row[0].removesuffix(" collapsed decoder"): row[1:] for row in self.rows(section)}

    def rows(self, section):
        """Texts of the cells of every table row of a section."""
        part = self.source.split(f'<section id="{section}">', 1)[1].split("</section>", 1)[0]
        found = []
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", part, re.DOTALL):
            cells = re.findall(r"<(t[hd])[^>]*>(.*?)</\1>", row, re.DOTALL)
            found.append(
                [html.unescape(re.sub(r"<[^>]+>", "", cell)).strip() for _, cell in cells]
            )
        return found


def kept(run, folder, *, files=("config.json", "metrics.json"), **changes):
    """A run as kept results have it: numbers alone, some of them changed."""
    folder.mkdir(parents=True)
    for name in files:
        shutil.copy(run.path / name, folder / name)
    write_json(folder / "metrics.json", {**run.metrics, **changes})
    return RunFolder(folder)


def reseeded(run, folder, seed, **changes):
    """The same run with another seed and other numbers."""
    copy = kept(run, folder, seed=seed, **changes)
    content = read_json(copy.path / "config.json")
    content["config"]["seed"] = seed
    write_json(copy.path / "config.json", content)
    return copy


@pytest.fixture(scope="session")
def references(tiny_dataset):
    train, test = unit(tiny_dataset.train), unit(tiny_dataset.test)
    rows = bounds.denoising_rows(train, test, SIGMAS, NOISE_SEED)
    return {
        "dataset": tiny_dataset.name,
        "images": {"train": len(train), "test": len(test)},
        "collapse_floor": bounds.collapse_floor(train, test),
        "perfect_score": bounds.perfect_score(test),
        "denoising": rows,
        "denoising_examples": rows,
    }


@pytest.fixture(scope="session")
def tiny_runs(tiny_run, tiny_dataset, tmp_path_factory):
    """The tiny VSC, and an AE and a VAE of the same size beside it."""
    top = tmp_path_factory.mktemp("study") / "runs"
    study = StudyConfig(models=("ae", "vae"), latents=(4,), epochs=1, batch_size=64)
    for config in runs_of(study, tiny_dataset.name):
        train_run(config, tiny_dataset, RunFolder(top / config.name), device="cpu")
    shutil.copytree(tiny_run.path, top / tiny_run.path.name)
    return finished_runs(top.parent)


@pytest.fixture(scope="session")
def folder(tiny_runs, references):
    top = tiny_runs[0].path.parent.parent
    (top / "study.yaml").write_text("dataset: mnist-5k\nlatents: [4]\n", encoding="utf-8")
    report.build(top, tiny_runs, references)
    return top


@pytest.fixture(scope="session")
def page(folder):
    return Page(folder / "report.html")


def test_the_page_is_one_file_that_loads_nothing(page):
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object"}
        assert not attributes.get("src", "data:").startswith(("http", "//", "/", "."))
        assert attributes.get("href", "#").startswith("#")
    style = page.source.split("<style>")[1].split("</style>")[0]
    assert "@import" not in style
    assert "url(" not in style


def test_every_picture_is_inside_and_has_words(page, tiny_runs):
    pictures = page.all("img")
    assert len(pictures) == 3 * len(tiny_runs) + 3
    assert all(picture["src"].startswith("data:image/png;base64,iVBOR") for picture in pictures)
    words = [picture["alt"] for picture in pictures]
    assert all(len(text) > 40 for text in words)
    assert len(set(words)) == len(words)


def test_every_link_leads_somewhere_on_the_page(page):
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}
    links = [attributes["href"].removeprefix("#") for attributes in page.all("a")]
    assert len(links) >= 8
    assert set(links) <= places


def test_pictures_are_also_files(folder, page):
    files = sorted(path.name for path in (folder / "figures").iterdir())
    assert len(files) == len(page.all("img"))
    assert "training-curves.png" in files
    assert "mnist-5k-vsc-4-seed0-latent-space.png" in files


def test_scores_are_those_of_the_runs(page, tiny_runs):
    rows = page.table("scores")
    for run in tiny_runs:
        row = run.metrics
        title = {"ae": "AE", "vae": "VAE", "vsc": "VSC"}[row["model"]]
        bound = "–" if row["negative_elbo"] is None else f"{row['negative_elbo']:.1f}"
        assert rows[title][:2] == [bound, f"{row['reconstruction']:.1f}"]
        assert rows[title][4] == f"{1000 * row['mse']:.1f}"
        assert rows[title][6] == f"{1000 * row['mse_noise_0.3_clipped']:.1f}"


def test_what_is_reached_without_a_model_stands_in_the_same_table(page, references):
    rows = page.table("scores")
    assert rows["perfect reconstruction"][1] == f"{references['perfect_score']:.1f}"
    assert rows["mean image (collapse floor)"][1] == f"{references['collapse_floor']:.1f}"
    pca = references["denoising"]["PCA-50"]
    expected = [f"{1000 * pca[name]:.1f}" for name in ("clean", "0.3", "0.3 clipped")]
    assert rows["PCA-50"][-3:] == expected
    assert {"doing nothing", "PCA-16", "Wiener filter 3x3", "median filter 3x3"} <= set(rows)


def test_the_best_of_every_column_is_bold(page, tiny_runs):
    bests = {"reconstruction": min(run.metrics["reconstruction"] for run in tiny_runs)}
    with_bound = [run.metrics["negative_elbo"] for run in tiny_runs]
    bests["negative_elbo"] = min(value for value in with_bound if value is not None)
    for value in bests.values():
        assert f"<strong>{value:.1f}</strong>" in page.source
    scores = page.source.split('<section id="scores">')[1].split("</section>")[0]
    assert scores.count("<strong>") == 5  # the columns that have a better way


def test_parameters_and_sparsity_are_those_of_the_runs(page, tiny_runs):
    spikes = next(run.metrics for run in tiny_runs if run.metrics["model"] == "vsc")
    parameters = page.table("models")
    assert parameters["VAE"][0] == parameters["AE"][0]
    sparsity = page.table("sparsity")["VSC"]
    assert sparsity[0] == str(spikes["used_dimensions"])
    assert sparsity[2] == f"{spikes['active_per_image']:.1f}"
    assert sparsity[-3] == f"{spikes['selectivity']:.2f}"


def test_settings_and_the_way_to_repeat_them_are_printed(page, tiny_runs):
    assert tiny_runs[0].data_sha256 in page.text
    assert "300 training images" in page.text
    assert (
        f"torch {read_json(tiny_runs[0].path / 'config.json')['versions']['torch']}" in page.text
    )
    assert "dataset: mnist-5k latents: [4]" in page.text
    assert "sparsevae study study.yaml" in page.text


def test_a_stand_in_for_mnist_is_said_first(page):
    notices = page.source.split("<h1>")[1].split('<dl class="facts">')[0]
    assert "not MNIST itself" in notices


def test_every_column_is_defined(page):
    defined = page.source.split('<section id="definitions">')[1]
    for column in (*columns.SUMMARY, *columns.SPARSITY, *columns.PARAMETERS):
        assert f"<dt>{column.heading}</dt>" in defined
        assert column.meaning.endswith(".")


def test_the_same_folders_give_the_same_page(folder, tiny_runs, references, page):
    report.build(folder, list(reversed(tiny_runs)), references)
    assert (folder / "report.html").read_text(encoding="utf-8") == page.source


def test_runs_that_keep_numbers_alone_have_words_in_place_of_pictures(tiny_runs, tmp_path):
    runs = [kept(run, tmp_path / "runs" / run.path.name) for run in tiny_runs]
    page = Page(report.build(tmp_path, runs, {}))
    assert page.text.count("keeps no pictures, only numbers") == 3 * len(runs)
    assert "3 of 3 runs keep no history" in page.text
    assert "was not measured for this page" in page.text
    assert "holds no study.yaml" in page.text.replace(" .", ".")
    assert len(page.all("img")) == 2  # quality against latents and noise come from the numbers
    assert "PCA-50" not in page.table("scores")


def test_a_collapsed_decoder_is_said_in_words(tiny_run, references, tmp_path):
    run = kept(tiny_run, tmp_path / "runs" / "a", collapsed_decoder=True)
    page = Page(report.build(tmp_path, [run], references))
    flags = [tag for tag, attributes in page.tags if attributes.get("class") == "flag"]
    assert len(flags) == 5  # scores, sparsity and three pictures
    run = kept(tiny_run, tmp_path / "runs" / "b", collapsed_decoder=False)
    page = Page(report.build(tmp_path, [run], references))
    assert not [tag for tag, attributes in page.tags if attributes.get("class") == "flag"]


def test_seeds_are_given_as_mean_and_deviation(tiny_run, references, tmp_path):
    values = ({"negative_elbo": 100.0, "dead": 1}, {"negative_elbo": 104.0, "dead": 1})
    runs = [
        reseeded(
            tiny_run, tmp_path / "runs" / f"seed{seed}", seed, collapsed_decoder=seed == 1, **v
        )
        for seed, v in enumerate(values)
    ]
    page = Page(report.build(tmp_path, runs, references))
    (row,) = [row for row in page.rows("scores") if row[0].startswith("VSC")]
    assert row[0].endswith("collapsed decoder in 1 of 2 seeds")
    assert row[1] == "102.0 ± 2.8"
    (row,) = [row for row in page.rows("sparsity") if row[0].startswith("VSC")]
    assert row[7] == "1"


def test_unlabelled_runs_leave_selectivity_blank(tiny_run, references, tmp_path):
    blank = dict.fromkeys(("selectivity", "selectivity_all", "selectivity_permuted"))
    run = kept(tiny_run, tmp_path / "runs" / "a", **blank)
    page = Page(report.build(tmp_path, [run], references))
    assert page.rows("sparsity")[-1][-3:] == ["–", "–", "–"]


def test_words_from_outside_cannot_become_tags(tiny_run, references, tmp_path):
    run = kept(tiny_run, tmp_path / "runs" / "a", prior="<script>alert(1)</script>")
    note = "Faces & <b>hats</b>."
    page = Page(report.build(tmp_path, [run], {**references, "note": note}))
    assert not page.all("script")
    assert note in page.text


def test_runs_on_different_data_are_not_mixed(tiny_run, tmp_path):
    other = kept(tiny_run, tmp_path / "runs" / "a")
    content = read_json(other.path / "config.json")
    write_json(other.path / "config.json", {**content, "data_sha256": "0" * 64})
    with pytest.raises(RunFolderError, match="2 different data sets"):
        report.build(tmp_path, [tiny_run, other], {})


@pytest.mark.needs_browser
@pytest.mark.parametrize("width", [500, 1280])
def test_only_boxes_scroll_sideways(page, width, tmp_path):
    over = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    probe = f"<script>document.title = {over}</script></body>"
    copy = tmp_path / "page.html"
    copy.write_text(page.source.replace("</body>", probe), encoding="utf-8")
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next(filter(None, map(shutil.which, names)))
    options = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run")
    with tempfile.TemporaryDirectory() as profile:
        done = subprocess.run(
            [
                *(browser, *options, "--disable-background-networking", "--disable-sync"),
                *(f"--user-data-dir={profile}", f"--window-size={width},900", "--dump-dom"),
                copy.as_uri(),
            ],
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    assert "<title>0</title>" in done.stdout
