"""The figure of the parameters: a panel for each, with what is expected."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import plotly.graph_objects as go
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.visualization import plot_parameters
from optuna_llm.visualization import plot_partial_dependence
from tests.reporting.drawn import axis_titles
from tests.reporting.drawn import traces
from tests.support.studies import make_conditional_study
from tests.support.studies import make_study
from tests.support.studies import make_trial


def test_each_parameter_has_a_panel_on_its_own_scale() -> None:
    study = make_study(30)
    figure = plot_parameters(study)
    axes = axis_titles(figure)
    assert set(axes) == {"learning_rate", "max_depth", "booster", "subsample"}
    assert axes["learning_rate"].type == "log"
    assert axes["subsample"].type is None
    assert axes["booster"].ticktext == ("gbtree", "dart", "None")
    stars = {t.xaxis: t.x[0] for t in figure.data if t.name == "best"}
    best = study.best_params
    assert set(stars.values()) == {
        best["learning_rate"],
        best["max_depth"],
        best["subsample"],
        ("gbtree", "dart", None).index(best["booster"]),
    }


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.01, 0.5, ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5"]),
        (0.1, 20.0, ["0.1", "0.3", "1", "3", "10"]),
        (1e-3, 100.0, ["0.001", "0.01", "0.1", "1", "10", "100"]),
        (1e-12, 1.0, ["1e-12", "1e-10", "1e-08", "1e-06", "0.0001", "0.01", "1"]),
    ],
)
def test_log_axes_have_a_few_round_labels(low: float, high: float, expected: list[str]) -> None:
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(low, high, log=True)}
    study.add_trial(make_trial(0, {"x": high}, distributions=space, value=1.0))
    axis = axis_titles(plot_parameters(study))["x"]
    inside = [
        t for t, v in zip(axis.ticktext, axis.tickvals, strict=True) if 0.999 * low <= v <= high
    ]
    assert inside == expected


def test_choices_that_are_equal_in_python_have_places_of_their_own() -> None:
    study = optuna.create_study()
    choices: dict[str, BaseDistribution] = {"c": CategoricalDistribution((1, True, "1"))}
    for number, choice in enumerate((1, True, "1")):
        study.add_trial(
            make_trial(number, {"c": choice}, distributions=choices, value=float(number))
        )
    trace = traces(plot_parameters(study), "other sampler")[0]
    assert list(trace.x) == [0, 1, 2]


def test_conditional_parameters_show_the_trials_that_have_them() -> None:
    study = make_conditional_study(12)
    trees = [t for t in study.trials if t.params["kind"] == "tree"]
    figure = plot_parameters(study)
    axis = axis_titles(figure)["depth"]
    name = axis.plotly_name.replace("axis", "")
    (trace,) = [t for t in figure.data if t.xaxis == name and t.name == "other sampler"]
    assert sorted(trace.x) == sorted(t.params["depth"] for t in trees)


def test_many_points_have_short_hover_texts() -> None:
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = {f"p{i}": IntDistribution(0, 9) for i in range(50)}
    study.add_trials(
        make_trial(n, dict.fromkeys(space, n % 10), distributions=space, value=float(n))
        for n in range(210)
    )
    figure = plot_parameters(study)
    texts = [t for trace in figure.data if trace.name != "best" for t in trace.hovertext]
    assert len(texts) == 50 * 210
    assert max(map(len, texts)) < 100


def test_bands_of_what_is_expected_stand_behind_the_trials() -> None:
    figure = plot_partial_dependence(make_study(40))
    axes = {
        title: axis.plotly_name.replace("axis", "") for title, axis in axis_titles(figure).items()
    }
    for name, place in axes.items():
        band, median, *markers = [t for t in figure.data if t.xaxis == place]
        assert (band.name, median.name) == ("80 % expected", "median expected"), name
        assert all(t.mode == "markers" for t in markers)
        assert min(y for y in band.y if y == y) < min(y for y in median.y if y == y)
    (depth,) = [t for t in traces(figure, "median expected") if t.xaxis == axes["max_depth"]]
    assert 4 <= depth.x[depth.y.index(min(depth.y))] <= 6  # The made-up loss is least at 5.


@pytest.mark.parametrize("plot", [plot_parameters, plot_partial_dependence])
def test_the_parameters_to_show_can_be_chosen(plot: Callable[..., go.Figure]) -> None:
    study = make_study(20)
    chosen = ["subsample", "booster"]
    assert list(axis_titles(plot(study, params=chosen))) == chosen
    with pytest.raises(ConfigurationError, match=r"params=\['width'\].*no parameter 'width'"):
        plot(study, params=["width"])


def test_what_matters_most_comes_first() -> None:
    names = list(axis_titles(plot_partial_dependence(make_study(60))))
    assert set(names[:2]) == {"learning_rate", "max_depth"}
    assert set(names[2:]) == {"booster", "subsample"}


def test_few_trials_have_no_bands() -> None:
    assert not traces(plot_partial_dependence(make_study(8)), "80 % expected")
