"""The report: one file that needs nothing else, true to the runs, and says what is missing."""

import csv
import html
import re
import shutil
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from scipy import stats

from sparsevae import cli, report
from sparsevae.errors import RunFolderError
from sparsevae.evaluation.pictures import NOISE_SEED, SIGMAS
from sparsevae.experiments import claims
from sparsevae.metrics import bounds
from sparsevae.metrics.table import Metric, printed
from sparsevae.report import tables, verdicts
from sparsevae.report.page import told_apart
from sparsevae.runs.folder import RunFolder, finished_runs
from sparsevae.storage.files import read_json, write_json

FLOOR = "mean image (collapse floor)"
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

    def part(self, section):
        """The source of a section."""
        return self.source.split(f'<section id="{section}">', 1)[1].split("</section>", 1)[0]

    def table(self, section):
        """The first table of a section: cells by heading, by the first cell without flags."""
        head, *rows = self.rows(section)
        length = next((i for i, row in enumerate(rows) if row[0] == head[0]), len(rows))
        return {
            row[0].removesuffix(" collapsed decoder"): dict(zip(head, row, strict=True))
            for row in rows[:length]
            if len(row) == len(head)
        }

    def rows(self, section):
        """Texts of the cells of every table row of a section, headings without their units."""
        found = []
        for row in re.findall(r"<tr[^>]*>(.*?)</tr>", self.part(section), re.DOTALL):
            row = re.sub(r'<small>.*?</small>|<span class="way".*?</span>', "", row)
            cells = re.findall(r"<(t[hd])[^>]*>(.*?)</\1>", row, re.DOTALL)
            texts = (html.unescape(re.sub(r"<[^>]+>", "", cell)) for _, cell in cells)
            found.append([text.replace("\u00a0", " ").strip() for text in texts])
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


def build(folder, baselines=None, stability=None):
    """The page of the runs in a folder, with what a study leaves beside them."""
    for name, content in (("baselines", baselines), ("stability", stability)):
        if content:
            write_json(folder / f"{name}.json", content)
    claims.write_verdicts(folder)
    return report.write_report(folder)


@pytest.fixture(scope="session")
def baselines(tiny_dataset):
    train, test = tiny_dataset.train.scaled(), tiny_dataset.test.scaled()
    rows = bounds.TrivialDenoisers(train).rows(
        test, bounds.gaussian_columns(test, SIGMAS, NOISE_SEED)
    )
    return {
        "dataset": tiny_dataset.name,
        "images": {"train": len(train), "test": len(test)},
        "collapse_floor": bounds.collapse_floor(train, test),
        "perfect_score": bounds.perfect_score(test),
        "denoising": rows,
        "denoising_examples": rows,
    }


@pytest.fixture(scope="session")
def tiny_runs(tiny_run, tmp_path_factory):
    """The tiny VSC, and beside it what an AE and a VAE could have left."""
    top = tmp_path_factory.mktemp("study") / "runs"
    others = {
        "ae": {"negative_elbo": None, "kl": None, "reconstruction": 190.25, "mse": 0.0515},
        "vae": {"negative_elbo": 201.25, "reconstruction": 195.75, "mse": 0.0535},
    }
    for model, changes in others.items():
        folder = top / f"mnist-5k-{model}-4-seed0"
        shutil.copytree(tiny_run.path, folder)
        content = read_json(folder / "config.json")
        content["config"].update(model=model, arguments={})
        write_json(folder / "config.json", content)
        write_json(folder / "metrics.json", {**tiny_run.metrics, "model": model, **changes})
    shutil.copytree(tiny_run.path, top / tiny_run.path.name)
    return finished_runs(top.parent)


@pytest.fixture(scope="session")
def folder(tiny_runs, baselines):
    top = tiny_runs[0].path.parent.parent
    (top / "study.yaml").write_text("dataset: mnist-5k\nlatents: [4]\n", encoding="utf-8")
    build(top, baselines)
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
    assert len(pictures) == 3 * len(tiny_runs) + 2  # noise and training; there is one size
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
    assert len(files) == 2 * len(page.all("img"))
    assert {"training-curves.png", "training-curves.svg"} <= set(files)
    assert "mnist-5k-vsc-4-seed0-latent-space.png" in files


def test_scores_are_those_of_the_runs(page, tiny_runs):
    rows = page.table("scores")
    for run in tiny_runs:
        row = run.metrics
        title = {"ae": "AE", "vae": "VAE", "vsc": "VSC"}[row["model"]]
        bound = "–" if row["negative_elbo"] is None else f"{row['negative_elbo']:.1f}"
        assert rows[title]["−ELBO"] == bound
        numbers = page.table("numbers")[title]
        assert numbers["reconstruction"] == f"{row['reconstruction']:.1f}"
        assert rows[title]["MSE"] == f"{1000 * row['mse']:.1f}"
        assert rows[title]["MSE, σ = 0.3, clipped"] == f"{1000 * row['mse_noise_0.3_clipped']:.1f}"


def test_what_is_reached_without_a_model_stands_in_the_same_table(page, baselines):
    rows = page.table("scores")
    pca = baselines["denoising"]["PCA-50"]
    expected = [f"{1000 * pca[name]:.1f}" for name in ("clean", "0.3 clipped")]
    assert [rows["PCA-50"][title] for title in ("MSE", "MSE, σ = 0.3, clipped")] == expected
    assert {"doing nothing", "PCA-16", FLOOR} <= set(rows)
    titles = [column.title.replace("\u00a0", " ") for column in tables.headline_columns()]
    assert list(rows["VSC"])[1:] == [title for title in titles if title in rows["VSC"]]


def test_all_baselines_stand_below_all_numbers(page, baselines):
    rows = {row[0]: row for row in page.rows("numbers")}
    assert f"{baselines['perfect_score']:.1f}" in rows["perfect reconstruction"]
    assert f"{1000 * baselines['denoising']['mean image']['0.3']:.1f}" in rows[FLOOR]
    assert {"doing nothing", "PCA-16", "Wiener filter 3x3", "median filter 3x3"} <= set(rows)
    bounds_of = page.table("numbers")  # the first table
    assert bounds_of[FLOOR]["reconstruction"] == f"{baselines['collapse_floor']:.1f}"


def test_rows_without_a_model_stand_in_order(baselines):
    useful = {name: {"probe_1000": 0.8} for name in ("raw pixels", "PCA-64", "PCA-8")}
    rows = tables.baseline_rows({**baselines, "usefulness": useful})
    first = ["perfect reconstruction", "doing nothing", "raw pixels"]
    assert list(rows)[:7] == [*first, "PCA-8", "PCA-16", "PCA-50", "PCA-64"]
    assert list(rows)[-1] == FLOOR
    assert rows["PCA-64"] == {"probe_1000": 0.8}
    assert tables.baseline_rows({}) == {}


def test_the_best_of_every_column_is_bold(page, tiny_runs):
    rows = [run.metrics for run in tiny_runs]
    for name, section in (("reconstruction", "numbers"), ("negative_elbo", "scores")):
        best = min(row[name] for row in rows if row[name] is not None)
        assert f'<strong class="first">{best:.1f}</strong>' in page.part(section)


def test_parameters_and_sparsity_are_those_of_the_runs(page, tiny_runs):
    spikes = next(run.metrics for run in tiny_runs if run.metrics["model"] == "vsc")
    parameters = page.table("models")
    assert parameters["VAE"]["trunk"] == parameters["AE"]["trunk"]
    sparsity = page.table("sparsity")["VSC"]
    assert sparsity["used"] == str(spikes["used_dimensions"])
    assert sparsity["active per image"] == f"{spikes['active_per_image']:.1f}"
    assert sparsity["selectivity"] == f"{spikes['selectivity']:.2f}"


def test_settings_and_the_way_to_repeat_them_are_printed(page, tiny_runs):
    assert tiny_runs[0].data_sha256 in page.text
    assert "300 training images" in page.text
    assert (
        f"torch {read_json(tiny_runs[0].path / 'config.json')['versions']['torch']}" in page.text
    )
    assert "dataset: mnist-5k latents: [4]" in page.text
    assert "sparsevae study study.yaml" in page.text


def test_a_stand_in_for_mnist_is_said_first(page):
    notices = page.source.split("<h1>")[1].split("<table")[0]
    assert "not MNIST itself" in notices


def test_every_column_is_defined(page):
    defined = page.source.split('<section id="definitions">')[1]
    groups = [name for own in tables.GROUPS.values() for name in own]
    for column in (*tables.headline_columns(), *printed(*groups)):
        assert f"<dt>{html.escape(column.title)}</dt>" in defined
        assert column.definition.endswith(".")


def test_the_same_folders_give_the_same_page(tiny_runs, baselines, tmp_path):
    runs = [kept(run, tmp_path / "runs" / run.path.name) for run in tiny_runs]
    first = build(tmp_path, baselines).read_bytes()
    for run in reversed(runs):  # folders are found by other names in another order
        run.path.rename(run.path.with_name(f"{9 - runs.index(run)}-{run.path.name}"))
    again = build(tmp_path, baselines).read_bytes()
    assert re.sub(rb"\d-mnist", b"mnist", again) == first


def test_runs_that_keep_numbers_alone_have_words_in_place_of_pictures(tiny_runs, tmp_path):
    runs = [kept(run, tmp_path / "runs" / run.path.name) for run in tiny_runs]
    page = Page(build(tmp_path))
    assert page.text.count("keeps no pictures, only numbers") == 3 * len(runs)
    assert "3 of 3 runs keep no history" in page.text
    assert "was not measured for this page" in page.text
    assert "holds no study.yaml" in page.text.replace(" .", ".")
    assert len(page.all("img")) == 1  # quality against noise comes from the numbers
    assert "PCA-50" not in page.table("scores")


def test_a_collapsed_decoder_is_said_in_words(tiny_run, baselines, tmp_path):
    run = kept(tiny_run, tmp_path / "runs" / "a", collapsed_decoder=True)
    page = Page(build(tmp_path, baselines))
    flags = [tag for tag, attributes in page.tags if attributes.get("class") == "flag"]
    groups = [name for name in tables.groups([run.metrics], baselines) if name != tables.MODELS]
    assert len(flags) == 1 + len(groups) + 3  # and pictures
    write_json(run.path / "metrics.json", {**run.metrics, "collapsed_decoder": False})
    page = Page(build(tmp_path, baselines))
    assert not [tag for tag, attributes in page.tags if attributes.get("class") == "flag"]


def test_seeds_are_given_as_mean_and_interval(tiny_run, baselines, tmp_path):
    values = ({"negative_elbo": 100.0, "dead": 1}, {"negative_elbo": 104.0, "dead": 1})
    for seed, v in enumerate(values):
        folder = tmp_path / "runs" / f"seed{seed}"
        reseeded(tiny_run, folder, seed, collapsed_decoder=seed == 1, **v)
    page = Page(build(tmp_path, baselines))
    (row,) = [row for row in page.rows("scores") if row[0].startswith("VSC")]
    assert row[0].endswith("collapsed decoder in 1 of 2 seeds")
    assert row[1] == f"102.0 ± {2 * stats.t.ppf(0.975, 1):.1f}"  # the standard error is 2
    title = "VSC collapsed decoder in 1 of 2 seeds"
    assert page.table("sparsity")[title]["dead"] == "1"


def test_unlabelled_runs_leave_out_selectivity(tiny_run, baselines, tmp_path):
    blank = dict.fromkeys(("selectivity", "selectivity_all", "selectivity_permuted"))
    kept(tiny_run, tmp_path / "runs" / "a", **blank)
    page = Page(build(tmp_path, baselines))
    assert "selectivity" not in page.table("sparsity")["VSC"]
    assert "selectivity" not in page.table("scores")["VSC"]


def column(better="lower"):
    return Metric("score", "score", "", better, "A score.", "bound")


def scored(**models):
    return {
        title: [{"seed": seed, "score": value} for seed, value in enumerate(values)]
        for title, values in models.items()
    }


def test_bold_is_the_best_and_what_seeds_do_not_tell_apart_from_it():
    rows = scored(a=[1.0, 2.0, 3.0], b=[1.1, 1.9, 3.2], c=[5.0, 6.0, 7.0])
    assert tables.best(rows, column()) == ["a", "b"]
    assert tables.best(rows, column("higher")) == ["c"]
    assert tables.best(rows, column("")) == []


def test_one_seed_has_a_best_and_equal_scores_have_none():
    assert tables.best(scored(a=[1.0], b=[2.0]), column()) == ["a"]
    assert tables.best(scored(a=[1.0], b=[1.0]), column()) == []
    assert tables.best(scored(a=[1.0], b=[1.0], c=[2.0]), column()) == ["a", "b"]
    assert tables.best(scored(a=[1.0]), column()) == []


def test_what_few_seeds_have_is_said_and_not_told_apart():
    rows = scored(a=[1.0, 1.1, 1.2], b=[2.0], c=[5.0, 6.0, 7.0])
    rows["b"] += [{"seed": 1, "score": None}]
    assert tables.best(rows, column()) == ["a", "b"]
    lines = {line.title: line.cells[0] for line in tables.compared(rows, [column()])}
    assert lines["b"] == tables.Cell("2.0 (1 of 2 seeds)", best=True)
    assert lines["a"].first
    assert "seeds" not in lines["c"].text


def test_differences_of_the_same_seed_decide_what_is_bold():
    rows = scored(a=[1.0, 11.0, 21.0], b=[2.0, 12.0, 22.1])
    assert tables.best(rows, column()) == ["a"]


def test_scores_and_pictures_come_first_and_claims_of_few_seeds_are_one_line(page):
    sections = re.findall(r'<section id="([^"]+)"', page.source)
    assert sections[:2] == ["scores", "latents-4"]
    assert "claims" not in sections
    line = "Claims need five seeds; this study has one."
    assert page.source.count(line) == 1
    assert page.source.index(line) > page.source.index('id="reproduce"')
    assert "not decided" not in page.text


def test_a_page_without_verdicts_says_nothing_of_claims(tiny_run, tmp_path):
    kept(tiny_run, tmp_path / "runs" / "a")
    page = Page(report.write_report(tmp_path))
    assert "laims" not in page.text
    (tmp_path / "verdicts.json").write_text("{}x", encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"verdicts\.json"):
        report.write_report(tmp_path)
    write_json(tmp_path / "verdicts.json", {"claims": []})
    with pytest.raises(RunFolderError, match="damaged"):
        report.write_report(tmp_path)


def test_the_largest_size_that_one_heat_map_shows_comes_first(tiny_run, tmp_path):
    for size in (2, 4, 1024):
        run = kept(tiny_run, tmp_path / "runs" / f"{size}", latents=size)
        content = read_json(run.path / "config.json")
        content["config"]["latents"] = size
        write_json(run.path / "config.json", content)
    page = Page(report.write_report(tmp_path))
    sections = re.findall(r'<section id="([^"]+)"', page.source)
    assert sections[:4] == ["scores", "latents-4", "latents-2", "latents-1024"]
    assert page.all("details")
    heads = [row[0] for row in page.rows("scores") if len(row) == 1]
    assert heads[:3] == [tables.dimensions(size) for size in (4, 2, 1024)]


def test_words_of_the_first_table_are_explained_beneath_it(page):
    scores = page.part("scores")
    columns = [row for row in tables.headline_columns() if row.title in scores]
    assert len(columns) >= 6
    for row in columns:
        assert f"<dt>{row.title}</dt><dd>{html.escape(tables.FIRST[row.key])}</dd>" in scores
    first = page.text.index("γ")
    assert page.text[:first].endswith("A dimension is on with probability ")


def test_verdicts_of_several_seeds_stand_with_their_numbers(tiny_run, baselines, tmp_path):
    for seed, changes in enumerate(sound_runs()):
        reseeded(tiny_run, tmp_path / "runs" / f"seed{seed}", seed, latents=64, **changes)
    page = Page(build(tmp_path, baselines))
    rows = page.table("claims")
    last = rows[f"7 {claims.CLAIMS['7']}"]
    assert (last["verdict"], last["because"]) == ("holds", "VSC, J = 64: 5 of 5 seeds are sound")
    assert set(rows) == {f"7 {claims.CLAIMS['7']}"}  # what is not decided stands behind it
    content = read_json(tmp_path / "verdicts.json")
    (sparse,) = (c for c in verdicts.claims_of(content).undecided if c.name == "5c")
    assert sparse.reason.endswith("of 3 parts: not decided 1, holds 2")
    assert "Of 11 claims 1 hold, 0 do not hold and 10 are not decided." in page.text
    assert "active per image / J" in page.part("claims")
    assert "0.125 [0.124, 0.126]" in page.part("claims")


def sound_runs():
    """What decides claims 5c and 7, for five seeds."""
    for seed in range(5):
        yield {
            "collapsed_decoder": False,
            "always_on": 0,
            "dead": 0,
            "sum_gamma": 8.0,
            "selectivity": 0.5,
            "selectivity_permuted": 0.05,
            "active_per_image": 8.0 + 0.04 * (seed - 2),
        }


def test_stability_over_seeds_stands_beside_chance(tiny_run, baselines, tmp_path):
    row = {"model": "vsc", "latents": 4, "pairs": 3, "stability": 0.512}
    kept(tiny_run, tmp_path / "runs" / "a")
    page = Page(build(tmp_path, baselines, stability=[{**row, "stability_chance": 0.2}]))
    assert ["VSC, J = 4", "3", "0.51", "0.20"] in page.rows("sparsity")


def test_words_from_outside_cannot_become_tags(tiny_run, baselines, tmp_path):
    kept(tiny_run, tmp_path / "runs" / "a", prior="<script>alert(1)</script>")
    note = "Faces & <b>hats</b>."
    page = Page(build(tmp_path, {**baselines, "note": note}))
    assert not page.all("script")
    assert note in page.text


def test_runs_on_different_data_are_not_mixed(tiny_run, tmp_path):
    kept(tiny_run, tmp_path / "runs" / "a")
    other = kept(tiny_run, tmp_path / "runs" / "b")
    content = read_json(other.path / "config.json")
    write_json(other.path / "config.json", {**content, "data_sha256": "0" * 64})
    with pytest.raises(RunFolderError, match="2 different data sets"):
        report.write_report(tmp_path)


def test_studies_are_compared_on_one_page(tiny_run, baselines, tmp_path):
    sound = {"collapsed_decoder": False}
    files = ("config.json", "metrics.json", "pictures.safetensors")
    kept(tiny_run, tmp_path / "before" / "runs" / "a", files=files, **sound)
    kept(tiny_run, tmp_path / "after" / "runs" / "a", mse=0.001, **sound)
    folders = [tmp_path / name for name in ("before", "after")]
    page = Page(report.write_comparison(folders, tmp_path / "both"))
    head, heading, *lines = page.rows("common")
    assert (head[0], heading) == ("study", ["VSC, J = 4"])
    assert [line[0] for line in lines] == ["before", "after"]
    assert lines[1][head.index("MSE")] == "1.0"
    assert '<strong class="first">1.0</strong>' in page.part("common")
    assert '<section id="claims">' not in page.source  # too few seeds decide nothing
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"].removeprefix("#") for attributes in page.all("a")}
    assert links <= set(ids)
    pictures = tmp_path / "both/figures"
    assert (pictures / "before/a-latent-space.svg").is_file()
    assert not (pictures / "after/a-latent-space.svg").exists()


def test_different_data_are_compared_without_a_best(tiny_run, baselines, tmp_path):
    other = kept(tiny_run, tmp_path / "other" / "runs" / "a")
    content = read_json(other.path / "config.json")
    write_json(other.path / "config.json", {**content, "data_sha256": "0" * 64})
    kept(tiny_run, tmp_path / "one" / "runs" / "a", mse=0.5)
    folders = [tmp_path / name for name in ("one", "other")]
    page = Page(report.write_comparison(folders, tmp_path / "both"))
    assert "of different data" in page.source.split("<nav")[0]
    assert "<strong" not in page.part("common")


def test_studies_have_names_that_tell_them_apart(tmp_path):
    folders = [tmp_path / place for place in ("a/mnist", "b/mnist", "b/fashion")]
    assert told_apart(folders[1:]) == ["mnist", "fashion"]
    assert told_apart(folders) == ["a/mnist", "b/mnist", "b/fashion"]
    with pytest.raises(RunFolderError, match="compared with itself"):
        told_apart([tmp_path, tmp_path])


def command(monkeypatch, capsys, *arguments):
    """Exit status, standard output and standard error of ``sparsevae report`` here."""
    monkeypatch.setattr(sys, "argv", ["sparsevae", "report", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    said = capsys.readouterr()
    return exit_.value.code or 0, said.out, said.err


def test_the_command_writes_tables_and_verdicts_of_one_study(
    tiny_run, tmp_path, monkeypatch, capsys
):
    kept(tiny_run, tmp_path / "runs" / "a")
    status, said, _ = command(monkeypatch, capsys, tmp_path)
    assert (status, said) == (0, f"Report: {tmp_path / 'report.html'}\n")
    lines = (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines()
    (row,) = csv.DictReader(lines)
    assert row["model"] == "vsc"
    found = read_json(tmp_path / "verdicts.json")["claims"]
    assert {claim["verdict"] for claim in found} == {"not decided"}
    assert read_json(tmp_path / "stability.json", list) == []


def test_the_command_compares_several_studies(tiny_run, tmp_path, monkeypatch, capsys):
    for name in ("one", "other"):
        kept(tiny_run, tmp_path / name / "runs" / "a")
    folders = (tmp_path / "one", tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    status, said, _ = command(monkeypatch, capsys, *folders)
    assert (status, said) == (0, "Report: comparison/report.html\n")
    assert not (tmp_path / "one" / "report.html").exists()
    mistakes = {
        "name each folder once": (folders[0], folders[0]),
        "name another folder with --out": (*folders, "--out", folders[1]),
        "holds no finished runs": (folders[0], tmp_path / "nowhere"),
    }
    for sentence, arguments in mistakes.items():
        status, _, said = command(monkeypatch, capsys, *arguments)
        assert status == 2
        assert len(said.splitlines()) == 1
        assert said.startswith("Error: ")
        assert sentence in said


def test_a_run_on_a_table_has_a_report_that_speaks_of_rows(tmp_path, monkeypatch):
    rows = np.random.default_rng(0).normal(size=(60, 5))
    np.save(tmp_path / "table.npy", rows)
    command = ["sparsevae", "fit", str(tmp_path / "table.npy"), "--latents", "2", "--epochs", "1"]
    monkeypatch.setattr(sys, "argv", [*command, "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit):
        cli.main()
    page = report.write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "The data are a table" in page
    assert "What is reached without a model was not measured" in page
