"""The suite of tasks that have been tuned before."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pytest

from benchmarks.references import Reference
from benchmarks.references import UnknownTaskError
from benchmarks.results import Job
from benchmarks.run import run_study
from benchmarks.samplers import TRANSFER
from benchmarks.samplers import Endpoint
from benchmarks.samplers import Study
from benchmarks.suites import transfer
from benchmarks.suites.transfer import Earlier
from benchmarks.suites.transfer import Unrelated
from benchmarks.suites.transfer import load
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from benchmarks.tasks import load as load_task


GROW = "transfer/grow-elastic-diabetes"
HOSTILE = "transfer/hostile-elastic-diabetes"


@pytest.fixture(scope="module", autouse=True)
def _short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transfer, "_N_TRIALS", 8)
        transfer._earlier.cache_clear()
        yield
    transfer._earlier.cache_clear()


def test_data_grow_stage_by_stage_and_hostile_values_are_turned() -> None:
    grown, turned = load(GROW).earlier(0), load(HOSTILE).earlier(0)
    assert [len(s.trials) for s in grown] == [8, 8, 8]
    values = [[t.value for t in s.trials] for s in grown]
    assert values[0][0] != values[1][0] != values[2][0]
    assert [[-t.value for t in s.trials] for s in turned] == values  # type: ignore[operator]
    assert [t.params for t in grown[0].trials][:1] == [t.params for t in grown[2].trials][:1]


@pytest.mark.parametrize("sampler", TRANSFER)
def test_every_sampler_of_the_group_begins_with_what_was_found(sampler: str) -> None:
    task = load_task(GROW)
    rows = run_study(Job(GROW, 0, sampler), 6, Endpoint())
    assert [row.trial for row in rows] == list(range(6))
    best = load(GROW).earlier(0)[-1].best_params
    first = task.loss(best)
    has_begun = sampler not in ("CQR, sources", "CQR, old trials")
    assert (rows[0].value == pytest.approx(first)) is has_begun
    other = Study(_Space(), 0, 6)
    with pytest.raises(UnavailableError, match="has not been tuned before"):
        TRANSFER[sampler].open(other)


class _Space(Task):
    def __init__(self) -> None:
        self.name = "made-up"
        self.space = {
            "lr": FloatDistribution(1e-4, 1.0, log=True),
            "kind": CategoricalDistribution(("a", "b")),
            "b_only": FloatDistribution(0.0, 1.0),
            "l2": FloatDistribution(0.0, 1.0),
        }
        self.conditions = {"b_only": ("kind", ("b",))}

    def loss(self, params, report=None):  # type: ignore[no-untyped-def]
        return params["lr"] + params["l2"] + params.get("b_only", 0)

    def find_reference(self) -> Reference:
        return Reference(0.0, 1.0, {})


def test_a_task_as_it_was_before_has_another_space_and_the_same_loss() -> None:
    before = Earlier(_Space(), {"l2": 0.5}, {"lr": "rate"}, lower="lr", missing="b")
    assert list(before.space) == ["rate", "kind"]
    assert before.space["rate"].high == pytest.approx(10**-1.2)  # type: ignore[attr-defined]
    assert before.space["kind"] == CategoricalDistribution(("a",))
    assert before.loss({"rate": 0.01, "kind": "a"}) == pytest.approx(0.51)
    away = Unrelated(_Space(), 0)
    drawn = _Space().draw(np.random.default_rng(0), 5)
    assert len({away.loss(params) for params in drawn}) == 5


@pytest.mark.parametrize("name", ["transfer/shrink-knn-wine", "transfer/others-knn-wine"])
def test_unknown_names_are_an_error(name: str) -> None:
    with pytest.raises(UnknownTaskError):
        load(name)
