"""The suites: their scales, their spaces, and the two lists."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import optuna
from optuna.trial import FixedTrial
import pytest

from benchmarks import references
from benchmarks.dev.tasks import MORE
from benchmarks.standin import near
from benchmarks.suites import tables
from benchmarks.suites.tables import Table
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from benchmarks.tasks import DEVELOPMENT
from benchmarks.tasks import REPORT
from benchmarks.tasks import SUITES
from benchmarks.tasks import load
from benchmarks.tasks import select


def available(name: str) -> Task:
    try:
        return load(name)
    except (UnavailableError, ImportError) as error:
        pytest.skip(str(error))


def test_development_and_report_tasks_are_apart() -> None:
    assert not set(DEVELOPMENT) & set(REPORT)
    for suite in SUITES:
        assert [t for t in DEVELOPMENT if t.startswith(f"{suite}/")]
        assert [t for t in REPORT if t.startswith(f"{suite}/")]


def test_tasks_are_selected_by_suite_list_and_name() -> None:
    chosen = select(["quick", "bbob"], ["development", "sklearn/svm-digits"])
    assert set(chosen) <= {*DEVELOPMENT, "sklearn/svm-digits"}
    assert {"bbob/f1-5d", "hpobench/credit_g", "sklearn/svm-digits"} <= set(chosen)
    assert len(set(chosen)) == len(chosen)


def test_robust_holds_fast_tasks_of_each_list() -> None:
    for names, listed in (("development", DEVELOPMENT), ("report", REPORT)):
        chosen = select(["robust"], [names])
        assert len(chosen) >= 8
        assert set(chosen) <= set(listed)


def test_every_scale_that_is_kept_is_one() -> None:
    for name, reference in references.known().items():
        assert name in {*DEVELOPMENT, *MORE, *REPORT}
        assert reference.best < reference.median


def test_a_table_is_read_as_it_is() -> None:
    task = tables.load("hpobench/car")
    assert task.find_reference() == task.reference
    best = task.reference.configuration
    assert task.regret(task.loss(best)) == pytest.approx(0.0)
    assert task.regret(float(np.median(task.losses))) == pytest.approx(1.0)
    nudged = {n: v * 1.001 if isinstance(v, float) else v for n, v in best.items()}
    assert task.loss(nudged) == task.loss(best)


@pytest.mark.parametrize(
    "name",
    [
        "hpolib/naval_propulsion",
        "nasbench201/cifar10",
        "yahpo/lcbench/3945",
        "yahpo/rbv2_xgboost/12",
        "xgboost/breast_cancer",
        "sklearn/svm-breast_cancer",
        "sklearn/sgd-digits",
        "bbob/f8-5d",
        "knowledge/svm-chile",
        "knowledge/knn-saratoga",
    ],
)
def test_a_task_of_each_kind(name: str) -> None:
    task = available(name)
    configurations = [task.default(), *task.draw(np.random.default_rng(0), 3)]
    for params in configurations:
        loss = task.loss(params)
        assert np.isfinite(loss)
        assert loss == task.loss(params)
        # What was drawn is what a trial would have been asked for, conditions included.
        assert task.ask(FixedTrial(params)) == params  # type: ignore[arg-type]
    assert task.loss(task.reference.configuration) == pytest.approx(task.best, rel=1e-4, abs=1e-4)
    assert task.regret(task.loss(task.default())) < 3


@pytest.mark.slow
def test_the_scale_of_yahpo_is_found_again() -> None:
    task = available("yahpo/rbv2_xgboost/1501")
    found = task.find_reference()
    assert found.best == pytest.approx(task.best, rel=1e-5)
    assert found.median == pytest.approx(task.median, rel=1e-5)


def test_yahpo_reports_the_learning_curve() -> None:
    task = available("yahpo/lcbench/3945")
    curve: dict[int, float] = {}
    loss = task.loss(task.default(), curve.__setitem__)
    assert list(curve) == list(range(1, 53))
    assert curve[52] == pytest.approx(loss)
    assert curve[1] > loss


def test_yahpo_without_data_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks.suites import yahpo

    monkeypatch.delenv("OPTUNA_LLM_DATA", raising=False)
    with pytest.raises(UnavailableError, match="OPTUNA_LLM_DATA"):
        yahpo.load("yahpo/lcbench/3945")
    monkeypatch.setenv("OPTUNA_LLM_DATA", "nowhere")
    with pytest.raises(UnavailableError, match="yahpo_data"):
        yahpo.load("yahpo/lcbench/3945")


def test_a_network_learns_and_reports_each_epoch() -> None:
    pytest.importorskip("torch")
    task = load("torch/cnn-digits")
    errors: list[float] = []
    params = {**task.default(), "num_layers": 2, "channels": 8, "learning_rate": 0.02}
    loss = task.loss(params, lambda step, error: errors.append(error))
    assert len(errors) == task.n_steps
    assert loss == errors[-1] < errors[0] / 2
    with pytest.raises(optuna.TrialPruned):
        task.loss(params, prune)


def prune(step: int, loss: float) -> None:
    raise optuna.TrialPruned


def test_cifar10_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("torchvision")
    monkeypatch.setenv("OPTUNA_LLM_DATA", str(tmp_path))
    with pytest.raises(UnavailableError, match="CIFAR-10"):
        load("torch/resnet-cifar10")


def test_stand_ins_know_what_they_promise() -> None:
    task = load("hpobench/credit_g")
    assert isinstance(task, Table)
    rng = np.random.default_rng(0)

    def median(quantile: float) -> float:
        propose = near(task, quantile, rng)
        return float(np.median([task.loss(propose()) for _ in range(50)]))

    assert median(0.01) < np.quantile(task.losses, 0.25)
    assert median(0.99) > np.quantile(task.losses, 0.75)
