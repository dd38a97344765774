"""The report: one file that needs nothing else, true to the runs, and says what is missing."""

import csv
import html
import re
import shutil
import sys
from html.parser import HTMLParser

import pytest
from scipy import stats
from sparsevae.report.comparing import names

from sparsevae import cli, report
from sparsevae.errors import RunFolderError
from sparsevae.evaluation.pictures import NOISE_SEED, SIGMAS
from sparsevae.experiments import claims
from sparsevae.metrics import bounds
from sparsevae.report import groups, tables
from sparsevae.report.columns import Column
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


@pytest.fixture(scope="session")
def references(tiny_dataset):
    train, test = tiny_dataset.train.scaled(), tiny_dataset.test.scaled()
    rows = bounds.denoising_rows(train, test, bounds.gaussian_columns(test, SIGMAS, NOISE_SEED))
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
        assert rows[title]["reconstruction"] == f"{row['reconstruction']:.1f}"
        assert rows[title]["MSE"] == f"{1000 * row['mse']:.1f}"
        assert rows[title]["MSE, σ = 0.3, clipped"] == f"{1000 * row['mse_noise_0.3_clipped']:.1f}"


def test_what_is_reached_without_a_model_stands_in_the_same_table(page, references):
    rows = page.table("scores")
    perfect, floor = (rows[name] for name in ("perfect reconstruction", FLOOR))
    assert perfect["reconstruction"] == f"{references['perfect_score']:.1f}"
    assert floor["reconstruction"] == f"{references['collapse_floor']:.1f}"
    pca = references["denoising"]["PCA-50"]
    expected = [f"{1000 * pca[name]:.1f}" for name in ("clean", "0.3", "0.3 clipped")]
    headings = ("MSE", "MSE, σ = 0.3", "MSE, σ = 0.3, clipped")
    assert [rows["PCA-50"][heading] for heading in headings] == expected
    assert {"doing nothing", "PCA-16", "Wiener filter 3x3", "median filter 3x3"} <= set(rows)


def test_rows_without_a_model_stand_in_order(references):
    useful = {name: {"probe_1000": 0.8} for name in ("raw pixels", "PCA-64", "PCA-8")}
    rows = tables.trivial_rows({**references, "usefulness": useful})
    first = ["perfect reconstruction", "doing nothing", "raw pixels"]
    assert list(rows)[:7] == [*first, "PCA-8", "PCA-16", "PCA-50", "PCA-64"]
    assert list(rows)[-1] == FLOOR
    assert rows["PCA-64"] == {"probe_1000": 0.8}
    assert tables.trivial_rows({}) == {}


def test_the_best_of_every_column_is_bold(page, tiny_runs):
    rows = [run.metrics for run in tiny_runs]
    for name in ("reconstruction", "negative_elbo"):
        best = min(row[name] for row in rows if row[name] is not None)
        assert f"<strong>{best:.1f}</strong>" in page.part("scores")


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
    notices = page.source.split("<h1>")[1].split('<dl class="facts">')[0]
    assert "not MNIST itself" in notices


def test_every_column_is_defined(page):
    defined = page.source.split('<section id="definitions">')[1]
    for column in (*groups.HEADLINE, *sum(groups.GROUPS.values(), ()), *groups.PARAMETERS):
        assert f"<dt>{column.heading}</dt>" in defined
        assert column.meaning.endswith(".")


def test_the_same_folders_give_the_same_page(tiny_runs, references, tmp_path):
    runs = [kept(run, tmp_path / "runs" / run.path.name) for run in tiny_runs]
    first = report.build(tmp_path, runs, references).read_bytes()
    assert report.build(tmp_path, list(reversed(runs)), references).read_bytes() == first


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
    assert len(flags) == 1 + len(tables.groups([run.metrics], references)) + 3  # and pictures
    run = kept(tiny_run, tmp_path / "runs" / "b", collapsed_decoder=False)
    page = Page(report.build(tmp_path, [run], references))
    assert not [tag for tag, attributes in page.tags if attributes.get("class") == "flag"]


def test_seeds_are_given_as_mean_and_interval(tiny_run, references, tmp_path):
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
    assert row[1] == f"102.0 ± {2 * stats.t.ppf(0.975, 1):.1f}"  # the standard error is 2
    title = "VSC collapsed decoder in 1 of 2 seeds"
    assert page.table("sparsity")[title]["dead"] == "1"


def test_unlabelled_runs_leave_out_selectivity(tiny_run, references, tmp_path):
    blank = dict.fromkeys(("selectivity", "selectivity_all", "selectivity_permuted"))
    run = kept(tiny_run, tmp_path / "runs" / "a", **blank)
    page = Page(report.build(tmp_path, [run], references))
    assert "selectivity" not in page.table("sparsity")["VSC"]
    assert "selectivity" not in page.table("scores")["VSC"]


def column(better="lower"):
    return Column("score", "score", "A score.", better=better)


def scored(**models):
    return {
        title: [{"seed": seed, "score": value} for seed, value in enumerate(values)]
        for title, values in models.items()
    }


def test_bold_is_the_best_and_what_seeds_do_not_tell_apart_from_it():
    rows = scored(a=[1.0, 2.0, 3.0], b=[1.1, 1.9, 3.2], c=[5.0, 6.0, 7.0])
    assert tables.best(rows, column()) == {"a", "b"}
    assert tables.best(rows, column("higher")) == {"c"}
    assert tables.best(rows, column("")) == set()


def test_one_seed_has_a_best_and_equal_scores_have_none():
    assert tables.best(scored(a=[1.0], b=[2.0]), column()) == {"a"}
    assert tables.best(scored(a=[1.0], b=[1.0]), column()) == set()
    assert tables.best(scored(a=[1.0], b=[1.0], c=[2.0]), column()) == {"a", "b"}
    assert tables.best(scored(a=[1.0]), column()) == set()


def test_what_few_seeds_have_is_said_and_not_told_apart():
    rows = scored(a=[1.0, 1.1, 1.2], b=[2.0], c=[5.0, 6.0, 7.0])
    rows["b"] += [{"seed": 1, "score": None}]
    assert tables.best(rows, column()) == {"a", "b"}
    lines = {line.title: line.cells[0] for line in tables.compared(rows, [column()])}
    assert lines["b"] == tables.Cell("2.0 (1 of 2 seeds)", best=True)
    assert "seeds" not in lines["c"].text


def test_differences_of_the_same_seed_decide_what_is_bold():
    rows = scored(a=[1.0, 11.0, 21.0], b=[2.0, 12.0, 22.1])
    assert tables.best(rows, column()) == {"a"}


def test_verdicts_stand_first_and_say_what_is_missing(page):
    sections = re.findall(r'<section id="([^"]+)"', page.source)
    assert sections[:2] == ["verdicts", "scores"]
    rows = page.table("verdicts")
    assert len(rows) == len(claims.CLAIMS)
    first = rows["1 AE: no discernible clusters of classes"]
    assert first["verdict"] == "not decided"
    assert first["because"] == "J = 2 was not run with AE"
    assert "5 seeds are needed; here are 1." in page.text


def test_verdicts_of_several_seeds_are_shown_with_their_numbers(tiny_run, references, tmp_path):
    runs = [
        reseeded(tiny_run, tmp_path / "runs" / f"seed{seed}", seed, latents=64, **changes)
        for seed, changes in enumerate(sound_runs())
    ]
    page = Page(report.build(tmp_path, runs, references))
    rows = page.table("verdicts")
    last = rows[f"7 {claims.CLAIMS['7']}"]
    assert (last["verdict"], last["because"]) == ("holds", "VSC, J = 64: 5 of 5 seeds are sound")
    sparse = rows[f"5c {claims.CLAIMS['5c']}"]["because"]
    assert sparse.endswith("of 3 parts: not decided 1, holds 2")
    assert "active per image / J" in page.part("verdicts")
    assert "0.125 [0.124, 0.126]" in page.part("verdicts")


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


def test_stability_over_seeds_stands_beside_chance(tiny_run, references, tmp_path):
    row = {"model": "vsc", "latents": 4, "pairs": 3, "stability": 0.512}
    run = kept(tiny_run, tmp_path / "runs" / "a")
    page = Page(
        report.build(tmp_path, [run], references, stability=[{**row, "stability_chance": 0.2}])
    )
    assert ["VSC, J = 4", "3", "0.51", "0.20"] in page.rows("sparsity")


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


def test_studies_are_compared_on_one_page(tiny_run, references, tmp_path):
    sound = {"collapsed_decoder": False}
    files = ("config.json", "metrics.json", "pictures.safetensors")
    before = [kept(tiny_run, tmp_path / "before" / "runs" / "a", files=files, **sound)]
    after = [kept(tiny_run, tmp_path / "after" / "runs" / "a", mse=0.001, **sound)]
    studies = [
        report.read(tmp_path / name, runs, references)
        for name, runs in (("before", before), ("after", after))
    ]
    page = Page(report.compare(tmp_path / "both", studies))
    head, heading, *lines = page.rows("common")
    assert (head[0], heading) == ("study", ["VSC, J = 4"])
    assert [line[0] for line in lines] == ["before", "after"]
    assert lines[1][head.index("MSE")] == "1.0"
    assert "<strong>1.0</strong>" in page.part("common")
    head, *claimed = page.rows("claims")
    assert head == ["claim", "before", "after"]
    assert len(claimed) == len(claims.CLAIMS)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    links = {attributes["href"].removeprefix("#") for attributes in page.all("a")}
    assert links <= set(ids)
    pictures = tmp_path / "both/figures"
    assert (pictures / "before/a-latent-space.svg").is_file()
    assert not (pictures / "after/a-latent-space.svg").exists()


def test_different_data_are_compared_without_a_best(tiny_run, references, tmp_path):
    other = kept(tiny_run, tmp_path / "other" / "runs" / "a")
    content = read_json(other.path / "config.json")
    write_json(other.path / "config.json", {**content, "data_sha256": "0" * 64})
    one = kept(tiny_run, tmp_path / "one" / "runs" / "a", mse=0.5)
    studies = [
        report.read(tmp_path / name, [run], references)
        for name, run in (("one", one), ("other", other))
    ]
    page = Page(report.compare(tmp_path / "both", studies))
    assert "of different data" in page.source.split("<nav")[0]
    assert "<strong>" not in page.part("common")


def test_studies_have_names_that_tell_them_apart(tmp_path):
    folders = [tmp_path / place for place in ("a/mnist", "b/mnist", "b/fashion")]
    assert names(folders[1:]) == ["mnist", "fashion"]
    assert names(folders) == ["a/mnist", "b/mnist", "b/fashion"]
    with pytest.raises(RunFolderError, match="compared with itself"):
        names([tmp_path, tmp_path])


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
