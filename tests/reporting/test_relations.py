"""Which parameters matter, and how they go together."""

from __future__ import annotations

import math
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.reporting.importance import importances
from optuna_llm.reporting.importance import in_order
from optuna_llm.visualization import plot_contour
from optuna_llm.visualization import plot_importance
from optuna_llm.visualization import plot_parallel_coordinate
from tests.support.studies import make_conditional_study
from tests.support.studies import make_study
from tests.support.studies import make_trial
from tests.support.studies import make_two_objective_study


def _lines(figure: Any) -> list[Any]:
    return [t for t in figure.data if t.mode == "lines"]


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_importance_is_optunas_in_either_direction(direction: Any) -> None:
    study = make_study(60, direction=direction)
    found = importances(study, History.from_study(study))
    assert found == pytest.approx(optuna.importance.get_param_importances(study))
    assert set(list(found)[:2]) == {"learning_rate", "max_depth"}
    assert list(found.values()) == sorted(found.values(), reverse=True)
    (bars,) = plot_importance(study).data
    assert dict(zip(bars.y, bars.x, strict=True)) == found


def test_of_several_objectives_one_counts() -> None:
    study = make_two_objective_study(60)
    history = History.from_study(study)
    loss, speed = (next(iter(importances(study, history, target))) for target in (0, 1))
    assert loss == speed == "subsample"
    assert importances(study, history, 0) != importances(study, history, 1)


@pytest.mark.parametrize("values", [[1.0] * 12, [math.inf] * 12, [1.0, 2.0]])
def test_where_nothing_can_be_told_nothing_is(values: list[float]) -> None:
    study = optuna.create_study()
    for number, value in enumerate(values):
        study.add_trial(make_trial(number, {"subsample": 0.2 + number / 20}, value=value))
    history = History.from_study(study)
    assert importances(study, history) == {}
    assert in_order(history, {}) == ["subsample"]
    assert not plot_importance(study).data


def test_conditional_parameters_are_weighed_too() -> None:
    study = make_conditional_study(40)
    found = importances(study, History.from_study(study))
    assert set(found) == {"kind", "depth"}


def test_pairs_of_what_matters_most_are_mapped_on_one_scale() -> None:
    study = make_study(60)
    figure = plot_contour(study)
    maps = [t for t in figure.data if t.type == "contour"]
    order = list(importances(study, History.from_study(study)))[:3]
    layout = figure.layout
    pairs = [
        {layout[f"xaxis{i}"].title.text, layout[f"yaxis{i}"].title.text} for i in ("", "2", "3")
    ]
    assert pairs == [set(order[:2]), {order[0], order[2]}, set(order[1:])]
    assert [t.showscale for t in maps] == [True, False, False]
    assert len({(t.zmin, t.zmax) for t in maps}) == 1
    assert layout.xaxis.type == "log" or layout.yaxis.type == "log"


def test_an_outlier_does_not_wash_out_the_colours() -> None:
    study = make_study(40)
    usual = max(t.value for t in study.trials if t.value is not None)
    study.add_trial(make_trial(40, {**study.trials[0].params}, value=1e6))
    (found, *_) = [t for t in plot_contour(study).data if t.type == "contour"]
    assert found.zmax == usual
    assert max(line.y[0] for line in _lines(plot_parallel_coordinate(study))) == 1.0


def test_of_many_trials_a_hundred_are_drawn_the_best_on_top() -> None:
    study = make_study(400)
    lines = _lines(plot_parallel_coordinate(study))
    assert len(lines) == 100
    heights = [line.y[0] for line in lines]
    assert heights == sorted(heights, reverse=True)
    assert heights[-1] == 0.0  # The best of all is among them.
    best = dict(line for line in lines[-1].customdata)
    assert float(best["value"]) == pytest.approx(study.best_value, rel=1e-2)
    (first, *_) = [t for t in plot_contour(study).data if t.type == "contour"]
    assert len(first.x) <= 102  # With one more on either side, for the margin.


def test_choices_that_look_alike_keep_apart() -> None:
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = {
        "c": CategoricalDistribution((1, True, "1", None)),
        "x": FloatDistribution(0, 1),
    }
    for number in range(20):
        choice = (1, True, "1", None)[number % 4]
        params = {"c": choice, "x": number / 20}
        study.add_trial(make_trial(number, params, distributions=space, value=float(number)))
    lines = _lines(plot_parallel_coordinate(study, params=["c", "x"]))
    shown = {dict(line.customdata)["c"] for line in lines}
    assert len(shown) == 4


@pytest.mark.parametrize("plot", [plot_contour, plot_parallel_coordinate])
def test_parameters_are_chosen_by_name(plot: Any) -> None:
    study = make_study(20)
    with pytest.raises(ConfigurationError, match="no parameter 'width'"):
        plot(study, params=["width"])
    with pytest.raises(ConfigurationError, match="must be a list"):
        plot(study, params="subsample")
    with pytest.raises(ConfigurationError, match="target_index=1"):
        plot(study, target_index=1)
    assert plot(study, params=["subsample", "max_depth"]).data
