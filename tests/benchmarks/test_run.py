"""Running: what a row says, the variants, resuming, peers."""

from __future__ import annotations

from collections import Counter
import csv
from pathlib import Path
import subprocess
import sys
import time

import numpy as np
import pytest

from benchmarks import run as running
from benchmarks.__main__ import main
from benchmarks.results import Job
from benchmarks.results import ResultsFile
from benchmarks.results import Row
from benchmarks.results import read
from benchmarks.samplers import OPTUNA
from benchmarks.samplers import READING
from benchmarks.samplers import SAMPLERS
from benchmarks.samplers import Endpoint
from benchmarks.samplers import Study
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from benchmarks.tasks import load
from benchmarks.variants import VARIANTS
from benchmarks.variants import Failures
from benchmarks.variants import Noisy
from benchmarks.variants import Parallel
from benchmarks.variants import Pruned
from tests.benchmarks.tasks import Bowl
from tests.support.models import well_behaved
from tests.support.server import ChatServer


ROOT = Path(__file__).parents[2]


@pytest.fixture
def study_of(monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Run a study of a given task."""

    def run(task: Task, sampler: str = "Random", n_trials: int = 20) -> list[Row]:
        monkeypatch.setattr(running, "load", lambda name: task)
        return running.run_study(Job(task.name, 0, sampler), n_trials, Endpoint())

    return run


def test_a_row_is_a_trial(study_of) -> None:  # type: ignore[no-untyped-def]
    rows = study_of(Bowl())
    assert [row.trial for row in rows] == list(range(20))
    assert all(row.value is not None and row.value >= 1.0 for row in rows)
    assert all(row.observed is None and row.seconds > 0 for row in rows)


def test_seeded_samplers_try_the_usual_configuration_first(study_of) -> None:  # type: ignore[no-untyped-def]
    task = load("hpobench/car")
    values = [row.value for row in study_of(task, "Random, seeded", 5)]
    assert values[0] == task.loss(task.default())
    assert values.count(values[0]) == 1


def test_failures_hit_a_quarter_but_never_the_best() -> None:
    for task in (Bowl(), load("hpobench/car"), load("nasbench201/cifar10")):
        failing = Failures(task)
        failing.loss(task.reference.configuration)
        failed = 0
        for params in task.draw(np.random.default_rng(0), 1000):
            try:
                assert failing.loss(params) == task.loss(params)
            except MemoryError:
                failed += 1
        assert 100 < failed < 400


def test_failed_trials_have_no_value(study_of) -> None:  # type: ignore[no-untyped-def]
    task = Bowl()
    failing = Failures(task)
    values = [row.value for row in study_of(failing)]
    assert 0 < values.count(None) < 15
    assert {v for v in values if v} < {row.value for row in study_of(task)}


def test_noise_is_told_but_not_counted(study_of) -> None:  # type: ignore[no-untyped-def]
    plain, noisy = study_of(Bowl()), study_of(Noisy(Bowl()))
    assert [r.value for r in noisy] == [r.value for r in plain]
    noise = np.array([r.observed - r.value for r in noisy])
    assert 0.5 < noise.std() / (0.1 * 0.2) < 1.5


def test_parallel_workers_propose_before_results_are_known(study_of) -> None:  # type: ignore[no-untyped-def]
    rows = study_of(Parallel(Bowl()), "TPE", 30)
    assert [row.trial for row in rows] == list(range(30))
    # Trials end in another order than they begin in.
    alone = [row.value for row in study_of(Bowl(), "TPE", 30)][:10]
    together = [row.value for row in rows]
    assert set(alone) < set(together)
    assert together[:10] != alone


def test_hyperband_stops_trials(study_of) -> None:  # type: ignore[no-untyped-def]
    values = [row.value for row in study_of(Pruned(Bowl()), "TPE", 30)]
    assert 3 < values.count(None) < 27
    with pytest.raises(UnavailableError, match="no intermediate"):
        Pruned(load("hpobench/car"))


def test_variants_are_loaded_by_name() -> None:
    for label, build in VARIANTS.items():
        if build is not Pruned:
            task = load(f"hpobench-{label}/car")
            assert type(task) is type(build(load("hpobench/car")))
            assert task.name == f"hpobench-{label}/car"
            assert task.reference == load("hpobench/car").reference


@pytest.mark.parametrize("name", [*OPTUNA, "AutoSampler", "CQR", "LLM, no model", *READING])
def test_every_sampler(name: str, study_of) -> None:  # type: ignore[no-untyped-def]
    task = Bowl()
    values = [row.value for row in study_of(Failures(task), name, 12)]
    assert len(set(values)) > 4
    seeded = f"{name}, seeded"
    if seeded in SAMPLERS:
        values = [row.value for row in study_of(task, seeded, 12)]
        assert values[0] == task.loss(task.default())
        assert len(set(values)) > 4


def test_a_model_that_the_user_names(tmp_path: Path) -> None:
    task = load("hpobench/car")
    with pytest.raises(UnavailableError, match="--model"):
        SAMPLERS["LLM"].open(Study(task, 0, 12))
    cassettes = tmp_path / "cassettes"
    with pytest.raises(UnavailableError, match="is not there"):
        SAMPLERS["LLM"].open(Study(task, 0, 12, Endpoint(cassettes=cassettes)))
    with ChatServer(well_behaved()) as server:
        endpoint = Endpoint("some-model", server.base_url, cassettes)
        recorded = running.run_study(Job("hpobench/car", 0, "LLM"), 12, endpoint)
        assert server.count > 0
    replayed = running.run_study(Job("hpobench/car", 0, "LLM"), 12, Endpoint(cassettes=cassettes))
    assert [r.value for r in replayed] == [r.value for r in recorded]


def test_what_cannot_be_used_is_skipped_with_its_reason(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPTUNA_LLM_DATA", raising=False)
    load.cache_clear()
    path = tmp_path / "results.csv"
    arguments = ["run", "--suite", "hpobench", "--tasks", "hpobench/car", "yahpo/lcbench/3945"]
    arguments += ["--samplers", "LLM", "--seeds", "0", "--results", str(path)]
    assert main(arguments) == 0
    printed = capfd.readouterr().out
    assert "skipped: task yahpo/lcbench/3945: OPTUNA_LLM_DATA" in printed
    assert "skipped: sampler LLM: name a model" in printed
    assert not path.exists()


def test_unknown_names_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--suite", "hpo"], ["--samplers", "TPEE"]):
        with pytest.raises(SystemExit):
            main(["run", *arguments])
        assert "choose from" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["report", "--baseline", "TPEE"])
    # Names hold commas.
    assert "'TPE', 'TPE, univariate', 'TPE, group'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ("car", "the form is suite/task; suites: hpobench"),
        ("hpobanch/car", "the form is suite/task; suites: hpobench"),
        ("hpobench/cars", "did you mean hpobench/car?): the data sets of hpobench are australian"),
        ("hpobench-flaky/car", "the variants of hpobench are failures, noisy"),
        ("nasbench201/mnist", "the data sets of nasbench201 are cifar10, cifar100, imagenet"),
        ("yahpo/lcbench", "the form is yahpo/lcbench/3945"),
        ("yahpo/lcbank/3945", "the form is yahpo/lcbench/3945"),
        ("sklearn/svm", "models: svm, sgd, mlp, elastic, knn, forest, tree, "),
        ("sklearn/svm-titanic", "data sets: breast_cancer, diabetes"),
        ("xgboost/titanic", "data sets: breast_cancer, diabetes"),
        ("torch/cnn", "networks: cnn, resnet; images: digits, cifar10"),
        ("bbob/f25-5d", "functions are f1 to f24, in the form bbob/f10-5d"),
        ("bbob/sphere", "functions are f1 to f24, in the form bbob/f10-5d"),
        ("constrained/sphere", "the form is constrained/sphere-ball-4d-i1"),
    ],
)
def test_an_unknown_task_is_one_message(
    task: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "results.csv"
    for command in (["run", "--results", str(path)], ["reference"]):
        assert main([*command, "--tasks", task]) == 2
        error = capsys.readouterr().err
        assert error.startswith(f"python -m benchmarks: error: unknown task {task!r}")
        assert message in error
        assert error.count("\n") == 1


def test_several_variants_in_one_run(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    arguments = ["run", "--tasks", "bbob/f1-4d", "--variant", "plain", "interrupted-1"]
    arguments += ["--samplers", "Random", "--seeds", "0", "--trials", "10", "--workers", "1"]
    assert main([*arguments, "--results", str(path)]) == 0
    assert set(read([path])["suite"]) == {"bbob", "bbob-interrupted-1"}


def test_a_study_counts_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    file = ResultsFile(path)
    assert file.finished(1) == set()
    job = Job("hpobench/car", 3, "LLM, good model")
    file.append(job, [Row(0, 0.5, 0.01), Row(1, None, 0.02), Row(2, 0.25, 0.5, 0.125)])
    assert file.finished(3) == {job}
    assert file.finished(4) == set()
    # A row that was cut off, and the study again.
    path.write_bytes(path.read_bytes()[:-12])
    assert file.finished(3) == set()
    file.append(job, [Row(0, 0.5, 0.01), Row(1, None, 0.02), Row(2, 0.75, 0.5, 0.125)])
    assert file.finished(3) == {job}
    rows = read([path])
    assert rows["value"].tolist()[::2] == [0.5, 0.75]


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "results.csv"
    arguments = ["run", "--suite", "guard", "--tasks", "hpobench/car", "--variant", "failures"]
    arguments += ["--samplers", "TPE", "LLM, good model", "--seeds", "0-3", "--trials", "6"]
    arguments += ["--workers", "1", "--results", str(path)]
    command = [sys.executable, "-m", "benchmarks", *arguments]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    while not path.exists() and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.communicate()  # Its workers hold the pipe; they end with it.
    before = path.read_text()
    assert main(arguments) == 0
    assert path.read_text().startswith(before)
    assert main(arguments) == 0
    with path.open(newline="") as file:
        counts = Counter((r["seed"], r["sampler"]) for r in csv.DictReader(file))
    assert len(counts) == 8
    assert set(counts.values()) == {6}
    out = tmp_path / "report"
    assert main(["report", "--results", str(path), "--out", str(out)]) == 0
    page = (out / "report.md").read_text()
    for text in (
        "### Mean rank",
        "### Against TPE, paired",
        "LLM, good model",
        "hpobench-failures",
    ):
        assert text in page
    for plot in ("regret", "rank", "overhead"):
        assert f"({plot}.png)" in page
        assert (out / f"{plot}.png").stat().st_size > 10_000
