"""A search: asked and told once, whatever stops it; the test set is measured at the end."""

import json
import sys
from collections import Counter
from types import SimpleNamespace

import pytest

from sparsevae import data as datasets
from sparsevae.errors import ConfigurationError, RunFolderError, SparseVAEError
from sparsevae.report.search import points, sentence, write_search
from sparsevae.runs.folder import RunFolder
from sparsevae.studies import engines, study
from sparsevae.studies.search import trial, tune
from sparsevae.studies.search.space import SearchConfig
from sparsevae.studies.trackers import queue

pytest.importorskip("optuna", reason="optuna is not installed")
pytestmark = [
    pytest.mark.filterwarnings("default::optuna.exceptions.ExperimentalWarning"),
    pytest.mark.usefixtures("few_draws"),
]

FIELDS = {
    "dataset": "mnist-5k",
    "models": ["ae"],
    "latents": [2],
    "epochs": 2,
    "batch_size": 50,
    "limit": 200,
    "objectives": ["mse"],
    "prune": False,
    "search": {"learning_rate": {"low": 1e-3, "high": 1e-2, "log": True}, "batch_size": [50, 100]},
}


class Here:
    """An engine that works in this process and may be interrupted."""

    def __init__(self):
        self.trained, self.splits, self.interrupt_after, self.half = [], [], None, False

    def module(self):
        return SimpleNamespace(run=self.run, check=lambda address: None)

    def run(self, tasks, jobs, on_images, on_warning, **place):
        for task in tasks:
            if not isinstance(task, study.RunTask):
                continue
            if self.interrupt_after is not None and len(self.trained) == self.interrupt_after:
                if self.half:
                    self._interrupted(task)
                raise KeyboardInterrupt
            task.do(lambda images: None, lambda line: None)
            self.trained.append(task.folder.name)
            self.splits.append(task.config.split)
            yield task

    def _interrupted(self, task):
        def stop(images):
            if (task.folder / "checkpoint.safetensors").exists():
                raise KeyboardInterrupt

        task.do(stop, lambda line: None)


@pytest.fixture
def here(monkeypatch):
    engine = Here()
    monkeypatch.setitem(
        sys.modules,
        "engine_of_a_test",
        engine.module(),
    )
    monkeypatch.setitem(engines.ENGINES, "here", "engine_of_a_test")
    return engine


def search(out, trials=3, **changes):
    return tune.tune(
        {**FIELDS, **changes}, out, trials=trials, jobs=1, device="cpu", engine_name="here"
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A search that nothing stopped."""
    with pytest.MonkeyPatch.context() as patch:
        engine = Here()
        patch.setitem(
            sys.modules,
            "engine_of_a_test",
            engine.module(),
        )
        patch.setitem(engines.ENGINES, "here", "engine_of_a_test")
        done = search(tmp_path_factory.mktemp("search") / "out")
    return done, engine


def trials_of(done):
    return [(t["settings"], t["values"]) for t in done.summary["trials"]]


def test_trials_see_validation_rows_and_only_the_best_the_test_set(whole):
    done, engine = whole
    assert engine.splits == [*["validation"] * 3, *["test"] * 3]
    held = datasets.holdout(datasets.load("mnist-5k", limit=200))
    for number in range(3):
        run = RunFolder(done.folder / "trials" / "runs" / f"trial-{number:04d}")
        assert run.data_sha256 == held.sha256
        assert run.metrics["split"] == "validation"
    final = [RunFolder(path) for path in sorted((done.best / "runs").iterdir())]
    assert [run.config.seed for run in final] == [0, 1, 2]
    assert {run.data_sha256 for run in final} == {datasets.load("mnist-5k", limit=200).sha256}
    assert {run.config.learning_rate for run in final} == {done.settings["learning_rate"]}


def test_the_best_is_the_best_of_what_was_told(whole):
    done, _ = whole
    values = [one["values"][0] for one in done.summary["trials"]]
    assert done.summary["best"] == values.index(min(values))
    assert done.settings == done.summary["trials"][done.summary["best"]]["settings"]
    for one in done.summary["trials"]:
        run = RunFolder(done.folder / "trials" / "runs" / f"trial-{one['number']:04d}")
        assert one["values"] == [run.metrics["mse"]]
        assert run.config.learning_rate == one["settings"]["learning_rate"]
        assert run.config.batch_size == one["settings"]["batch_size"]
        assert 1e-3 <= one["settings"]["learning_rate"] <= 1e-2


def test_the_page_says_how_many_were_tried(whole):
    done, _ = whole
    text = write_search(done.folder).read_text(encoding="utf-8")
    assert "3 settings were tried on validation rows of mnist-5k (3 done)" in text
    assert "measured once: MSE" in text
    assert f"{done.summary['folder']}/report.html" in text


@pytest.mark.parametrize(("after", "half"), [(1, True), (3, False), (4, True)])
def test_a_search_that_is_stopped_goes_on_as_if_it_had_not_been(
    whole, here, tmp_path, after, half
):
    here.interrupt_after, here.half = after, half
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "out")
    here.interrupt_after = None
    done = search(tmp_path / "out")
    assert trials_of(done) == trials_of(whole[0])
    assert sorted(here.trained) == sorted(set(here.trained))
    assert len(here.trained) == 6


def test_a_search_that_is_done_can_go_on_with_more_trials(whole, here, tmp_path):
    import shutil

    out = shutil.copytree(whole[0].folder, tmp_path / "out")
    done = search(out, trials=4)
    assert trials_of(done)[:3] == trials_of(whole[0])
    assert here.trained[0] == "trial-0003"
    measured = len(done.summary["measured"])
    assert f"measured {'once' if measured == 1 else '2 times'}" in sentence(done.summary)


def test_equal_settings_are_one_run(here, tmp_path):
    done = search(tmp_path / "out", 5, search={"batch_size": [50, 100]})
    assert len([name for name in here.trained if name.startswith("trial")]) == 2
    by_size = {}
    for settings, values in trials_of(done):
        by_size.setdefault(settings["batch_size"], set()).add(values[0])
    assert len(trials_of(done)) == 5
    assert all(len(values) == 1 for values in by_size.values())


def test_another_search_in_the_same_folder_is_refused(whole, here):
    with pytest.raises(RunFolderError, match="holds another search"):
        search(whole[0].folder, epochs=3)


def task_of(folder, **fields):
    config = SearchConfig.of(FIELDS)
    dataset = study.data_of("mnist-5k", "validation", 200)
    run = config.run({"learning_rate": 0.004, "batch_size": 50}, "mnist-5k", len(dataset.train))
    task = trial.TrialTask.of(run, folder, "cpu", dataset)
    return tune.replace(task, **fields)


def test_a_trial_behind_the_others_is_stopped_at_half_of_its_epochs(tmp_path):
    task = task_of(tmp_path / "run", objective="mse", bar=1.0)
    task.do(lambda images: None, print)
    run = RunFolder(task.folder)
    assert not run.finished
    assert "After epoch 1 it had" in trial.stopped(run)
    assert len(run.load_checkpoint()[1]) == 1
    images = []
    task.do(images.append, print)  # stays stopped
    assert not images


def test_a_trial_before_the_others_goes_on(tmp_path):
    task = task_of(tmp_path / "run", objective="mse", bar=1e9)
    task.do(lambda images: None, print)
    assert RunFolder(task.folder).finished
    assert not trial.stopped(RunFolder(task.folder))


def test_a_sign_of_collapse_stops_a_trial_at_once(tmp_path):
    said = []
    task = task_of(tmp_path / "run", alarms=True)
    task.do(lambda images: None, said.append)
    assert not RunFolder(task.folder).finished
    assert trial.stopped(RunFolder(task.folder)) == said[0]
    assert "mean image" in said[0]


def test_a_search_without_a_whole_trial_says_why(here, tmp_path):
    with pytest.raises(RunFolderError, match=r"came to its end: epoch 2 of 2: .* mean image"):
        search(tmp_path / "out", 2, prune=True)


def test_the_front_is_what_nothing_beats(whole, monkeypatch, tmp_path):
    import optuna

    fields = {**FIELDS, "objectives": ["mse", "active_per_image"]}
    config = SearchConfig.of(fields)
    one = tune.Search(config, tmp_path, 0, "cpu", ())
    values = [(1.0, 5.0), (2.0, 2.0), (3.0, 3.0), (5.0, 1.0), (2.0, 2.5)]
    for pair in values:
        one.study.add_trial(
            optuna.trial.create_trial(values=pair, user_attrs={tune.CHOSEN: {"a": pair[0]}})
        )
    monkeypatch.setattr(one, "reason", lambda number: "")
    front = one.front(tune._whole(one.study))
    assert [t.number for t in front] == [t.number for t in one.study.best_trials] == [0, 1, 3]
    assert one.best(study.Listener()) == (1, {"a": 2.0})
    summary = {**whole[0].summary, "objectives": ["mse", "active_per_image"]}
    summary["trials"] = [
        {**summary["trials"][0], "values": list(pair), "front": False} for pair in values
    ]
    placed = points(summary)
    assert placed[0]["x"] < placed[1]["x"] < placed[3]["x"]
    assert placed[0]["y"] < placed[1]["y"] < placed[3]["y"]
    (tmp_path / "search.json").write_text(json.dumps(summary))
    assert write_search(tmp_path).read_text().count("<circle") == len(values)


@pytest.mark.parametrize(
    ("changes", "sentence_of_error"),
    [
        ({"search": {}}, "search"),
        ({"search": {"colour": [1, 2]}}, "Nothing varies with 'colour'"),
        ({"search": {"learning_rate": {"low": 2, "high": 1}}}, "low must be below high"),
        ({"search": {"batch_size": [50, "many"]}}, "'batch_size' does not take 'many'"),
        ({"search": {"batch_size": {"low": 0, "high": 9}}}, "'batch_size' does not take 0"),
        ({"search": {"model": ["ae", "ea"]}}, "There is no model 'ea'"),
        ({"models": ["vsc"], "search": {"vsc.prior": ["fixed", "mixtur"]}}, "no prior 'mixtur'"),
        ({"search": {"epochs": 3}}, "'epochs' under 'search' takes a range or a list"),
        ({"models": ["ae", "vae"]}, "A trial has one model"),
        ({"latents": [2, 4]}, "A trial has one latents"),
        ({"objectives": ["beauty"]}, "beauty"),
        ({"objectives": ["mse", "kl", "psnr"]}, "objectives"),
    ],
)
def test_a_mistake_is_one_sentence(here, tmp_path, changes, sentence_of_error):
    with pytest.raises(ConfigurationError, match=sentence_of_error):
        search(tmp_path / "out", **changes)
    assert not here.trained
    assert not (tmp_path / "out").exists()  # so that the mended file finds no other search


def test_all_mistakes_are_told_at_once():
    wrong = {"lerning_rate": [1e-3], "batch_size": [0, 50, -1], "epochs": {"low": -1, "high": 3}}
    with pytest.raises(ConfigurationError) as caught:
        SearchConfig.of({**FIELDS, "objectives": ["beauty"], "search": wrong})
    for part in ("'lerning_rate'", "'batch_size' does not take 0", "take -1", "beauty"):
        assert str(caught.value).count(part) >= 1
    assert "'epochs' does not take -1" in str(caught.value)


def test_data_that_are_not_there_leave_no_search_behind(here, tmp_path):
    with pytest.raises(SparseVAEError, match="mnits"):
        search(tmp_path / "out", dataset="mnits")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"low": 1.5, "high": 1.9, "whole": True}, "must be a whole number between"),
        ({"low": 1, "high": float("inf")}, "must be finite"),
        ({"low": float("nan"), "high": 1.0}, "must be finite"),
        ({"low": 1, "high": 10**400}, "must be finite"),
        ({"low": -0.5, "high": 2, "log": True, "whole": True}, "above 0 where log is true"),
        ({"low": 0.0, "high": 2.0, "log": True}, "above 0 where log is true"),
        ({"low": 1, "hgih": 2}, "'high' is missing. There is no setting 'hgih'"),
    ],
)
def test_a_range_without_numbers_is_one_sentence(given, said):
    wrong = {"learning_rate": given, "batch_size": {"low": 2, "high": 1}}
    with pytest.raises(
        ConfigurationError, match=f"(?s)range of 'learning_rate'.*{said}"
    ) as caught:
        SearchConfig.of({**FIELDS, "search": wrong})
    assert "range of 'batch_size'" in str(caught.value)


@pytest.mark.parametrize(
    ("given", "ends"),
    [
        ({"low": 1.5, "high": 4.9, "whole": True}, (2, 4)),
        ({"low": 0.5, "high": 2, "log": True, "whole": True}, (1, 2)),
        ({"low": 1.2345, "high": 1.2349}, (1.2345, 1.2349)),
    ],
)
def test_a_range_keeps_to_its_ends(given, ends):
    import optuna

    config = SearchConfig.of({**FIELDS, "search": {"learning_rate": given}})
    (one,) = config.distributions().values()
    assert (one.low, one.high) == ends
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(20):
        drawn = config.chosen(study.ask(config.distributions()).params)["learning_rate"]
        assert ends[0] <= drawn <= ends[1]
        assert type(drawn) is type(ends[0])


def test_settings_that_are_wrong_only_together_cost_their_trial(here, tmp_path, monkeypatch):
    plan = SearchConfig.run

    def refusing(self, chosen, *given):
        if chosen["batch_size"] == 50:
            raise ConfigurationError("Not with 50.")
        return plan(self, chosen, *given)

    monkeypatch.setattr(SearchConfig, "run", refusing)
    done = search(tmp_path / "out", 5, search={"batch_size": [50, 100]}, epochs=1)
    assert {one["settings"]["batch_size"] for one in done.summary["trials"]} == {50, 100}
    for one in done.summary["trials"]:
        refused = one["settings"]["batch_size"] == 50
        assert one["state"] == ("pruned" if refused else "complete")
        assert one["reason"] == "Not with 50." or not refused


def test_a_search_goes_on_with_the_jobs_of_its_first_start(here, tmp_path, monkeypatch):
    batches, do_tasks = [], tune.do_tasks

    def noting(tasks, *given):
        batches.append(len(tasks))
        do_tasks(tasks, *given)

    monkeypatch.setattr(tune, "do_tasks", noting)
    for cores, trained in ((2, 1), (1, 3)):  # the second time there is less room
        monkeypatch.setattr(tune.local, "cores", lambda cores=cores: cores)
        here.interrupt_after = trained
        with pytest.raises(KeyboardInterrupt):
            tune.tune(
                {**FIELDS, "epochs": 1}, tmp_path, trials=4, device="cpu", engine_name="here"
            )
    assert batches == [2, 2, 2]  # the first one twice, since nothing was told of it


def test_a_file_without_a_search_is_one_sentence():
    fields = {name: value for name, value in FIELDS.items() if name != "search"}
    with pytest.raises(ConfigurationError, match="has no 'search'"):
        SearchConfig.of(fields)


def test_without_optuna_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr(tune, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'sparsevae\[tune\]'"):
        search(tmp_path)


def test_trackers_hear_of_every_trial_and_of_the_best(here, tmp_path, monkeypatch):
    heard = []

    class Tracker:
        def started(self, run):
            return 0

        def epoch(self, run, row, when):
            heard.append((run.folder.path.name, row["epoch"]))

        def finished(self, run):
            heard.append((run.folder.path.name, "finished"))

        def closed(self):
            pass

    monkeypatch.setattr(queue, "open_trackers", lambda targets, folder: {"one": Tracker()})
    tune.tune(
        {**FIELDS, "epochs": 1}, tmp_path, trials=2, jobs=1, engine_name="here", track=["one"]
    )
    trials = {f"trial-{n:04d}" for n in range(2)}
    best = {path.name for path in tmp_path.glob("best/*/runs/*")}
    assert len(best) == 3
    wanted = [(name, end) for name in trials | best for end in (1, "finished")]
    assert Counter(heard) == Counter(wanted)
