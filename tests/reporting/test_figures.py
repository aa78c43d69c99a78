from __future__ import annotations

from collections.abc import Callable
import itertools
import json
import math
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
import plotly.graph_objects as go
import plotly.io
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.visualization import plot_calibration
from optuna_llm.visualization import plot_history
from optuna_llm.visualization import plot_parameters
from optuna_llm.visualization import plot_partial_dependence
from optuna_llm.visualization import plot_sources
from optuna_llm.visualization import plot_spending
from tests.reporting.drawn import PLOTS
from tests.reporting.drawn import axis_titles
from tests.reporting.drawn import points
from tests.reporting.drawn import traces
from tests.support.studies import make_failed_study
from tests.support.studies import make_plain_study
from tests.support.studies import make_study
from tests.support.studies import make_trial
from tests.support.studies import make_two_objective_study


def _three_objectives() -> optuna.Study:
    study = optuna.create_study(directions=["minimize"] * 3)
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0, 2.0), n_trials=3)
    return study


def _without_parameters() -> optuna.Study:
    study = optuna.create_study()
    study.optimize(lambda trial: 1.0, n_trials=2)
    return study


def _with_values(values: list[float], direction: Any = "minimize", **options: Any) -> optuna.Study:
    study = optuna.create_study(direction=direction)
    for number, value in enumerate(values):
        trial = make_trial(number, {"max_depth": 1 + number % 12}, value=value, **options)
        study.add_trial(trial)
    return study


def _of_two_types() -> optuna.Study:
    study = optuna.create_study()
    spaces: tuple[tuple[Any, BaseDistribution], ...] = (
        ("a", CategoricalDistribution(("a", None, 1, math.inf))),
        (0.5, FloatDistribution(0, 1)),
        (50.0, FloatDistribution(1, 100, log=True)),
    )
    for number, (value, distribution) in enumerate(spaces):
        trial = make_trial(number, {"x": value}, distributions={"x": distribution}, value=1.0)
        study.add_trial(trial)
    return study


STUDIES: dict[str, Callable[[], optuna.Study]] = {
    "every source and state": make_study,
    "maximize": lambda: make_study(direction="maximize"),
    "two objectives": make_two_objective_study,
    "three objectives": _three_objectives,
    "no attributes": make_plain_study,
    "only failures": make_failed_study,
    "no parameters": _without_parameters,
    "one trial": lambda: make_study(1),
    "no trials": optuna.create_study,
    "infinite": lambda: _with_values([math.inf] * 12),
    "equal": lambda: _with_values([0.0] * 12),
    "infeasible": lambda: _with_values([1.0, 2.0] * 6, constraints={"c": math.inf}),
    "two types": _of_two_types,
}


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("name", STUDIES)
def test_every_study_becomes_a_valid_figure(
    plot: Callable[[optuna.Study], go.Figure], name: str
) -> None:
    figure = plot(STUDIES[name]())
    assert isinstance(figure, go.Figure)
    json.loads(plotly.io.to_json(figure, validate=True))


# ---- history


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_history_shows_each_trial_by_source_and_the_best_so_far(direction: Any) -> None:
    study = make_study(40, direction=direction)
    figure = plot_history(study)
    expected = {
        t.number: t.value
        for t in study.trials
        if t.user_attrs["llm:source"] == "llm" and t.state == TrialState.COMPLETE
    }
    shown = {n: y for n, y in points(figure, "language model").items() if y not in STATES}
    assert shown == expected
    (line,) = traces(figure, "best so far")
    complete = [t.values[0] for t in study.trials if t.state == TrialState.COMPLETE]
    best = list(itertools.accumulate(complete, min if direction == "minimize" else max))
    assert list(line.y) == [*best, best[-1]]
    assert line.x[-1] == study.trials[-1].number


STATES = ("failed", "pruned", "infinite")


def test_trials_without_a_finite_value_stand_at_the_foot() -> None:
    study = make_study(25)
    study.add_trial(make_trial(25, {"max_depth": 3}, source="base", value=math.inf))
    figure = plot_history(study)
    foot = {x: y for t in figure.data for x, y in zip(t.x, t.y, strict=True) if y in STATES}
    assert foot == {
        25: "infinite",
        **{t.number: "failed" for t in study.trials if t.state == TrialState.FAIL},
        **{t.number: "pruned" for t in study.trials if t.state == TrialState.PRUNED},
    }
    numbers = [y for t in figure.data for y in t.y if y not in STATES]
    assert all(math.isfinite(y) for y in numbers)


def test_every_source_has_its_own_colour_and_symbol() -> None:
    traces = {t.legendgroup: t for t in plot_history(make_study(40)).data if t.showlegend}
    sources = [traces[name] for name in ("prior", "llm", "base", "fallback", "enqueued")]
    assert (
        len({t.marker.color for t in sources}) == len({t.marker.symbol[0] for t in sources}) == 5
    )


def test_trials_of_other_samplers_are_called_so() -> None:
    figure = plot_history(make_plain_study(6))
    assert len(points(figure, "other sampler")) == 6
    assert not traces(figure, "statistical sampler")


def test_two_objectives_become_a_pareto_front_or_the_history_of_one() -> None:
    study = make_two_objective_study()
    (front,) = traces(plot_history(study), "Pareto front")
    assert sorted(zip(front.x, front.y, strict=True)) == sorted(
        tuple(t.values) for t in study.best_trials
    )
    (line,) = traces(plot_history(study, target_index=1), "best so far")
    assert line.y[-1] == max(t.values[1] for t in study.trials)


@pytest.mark.parametrize(
    "plot", [plot_history, plot_parameters, plot_partial_dependence, plot_calibration]
)
def test_an_objective_that_is_not_there_is_refused(plot: Callable[..., go.Figure]) -> None:
    with pytest.raises(ConfigurationError, match="target_index=2"):
        plot(make_two_objective_study(2), target_index=2)


def test_values_over_several_powers_of_ten_stand_on_a_log_axis() -> None:
    study = optuna.create_study()
    for number, value in enumerate([1e-4, 1.0, 50.0]):
        study.add_trial(make_trial(number, {"max_depth": 3}, value=value))
    assert plot_history(study).layout.yaxis.type == "log"
    study.add_trial(make_trial(3, {"max_depth": 3}, value=0.0))
    assert plot_history(study).layout.yaxis.type == "linear"


@pytest.mark.parametrize(
    ("direction", "outlier", "arrow"),
    [
        ("minimize", 58.8, "arrow-up"),
        ("minimize", 1e30, "arrow-up"),
        ("maximize", -9.0, "arrow-down"),
    ],
)
@pytest.mark.parametrize("plot", [plot_history, plot_parameters, plot_calibration])
def test_a_bad_trial_stands_at_the_edge_and_presses_none_flat(
    plot: Callable[..., go.Figure], direction: Any, outlier: float, arrow: str
) -> None:
    usual = [0.46 + 0.001 * (7 * n % 20) for n in range(20)]
    figure = plot(_with_values([*usual[:15], outlier, *usual[15:]], direction))
    low, high = figure.layout.yaxis.range
    marks = [
        (y, symbol, text)
        for t in figure.data
        if t.mode == "markers" and t.name != "best"
        for y, symbol, text in zip(t.y, t.marker.symbol, t.hovertext, strict=True)
    ]
    shown = [y for y, symbol, _ in marks if symbol == "hexagon"]
    assert low < min(shown) < max(shown) < high
    assert high - low < 0.03
    ((y, symbol, told),) = [m for m in marks if m[1] != "hexagon"]
    assert symbol == arrow
    assert y == (max(shown) if arrow == "arrow-up" else min(shown))
    assert "trial 15" in told


def test_what_is_far_better_than_all_others_is_shown_where_it_is() -> None:
    figure = plot_history(_with_values([*[5.0 + 0.1 * n for n in range(20)], -3.0]))
    assert points(figure, "other sampler")[20] == -3.0
    assert figure.layout.yaxis.range[0] < -3.0


def test_values_that_many_trials_have_are_no_outliers() -> None:
    values = [1.0 + 0.01 * n for n in range(20)] + [9.0 + n for n in range(10)]
    shown = points(plot_history(_with_values(values)), "other sampler")
    assert list(shown.values()) == values


def test_outliers_of_two_objectives_stand_at_the_edges() -> None:
    study = optuna.create_study(directions=["minimize", "maximize"])
    for number in range(12):
        study.add_trial(make_trial(number, {"max_depth": 3}, values=[number, -number]))
    study.add_trial(make_trial(12, {"max_depth": 3}, values=[1e9, math.inf]))
    study.add_trial(make_trial(13, {"max_depth": 3}, values=[3.0, -1e9]))
    (trace,) = traces(plot_history(study), "other sampler")
    beyond = {s: p for s, *p in zip(trace.marker.symbol, trace.x, trace.y, strict=True)}
    assert beyond["arrow-up"] == [11, 0]
    assert beyond["arrow-down"] == [3, -11]
    assert trace.marker.symbol[0] == "hexagon"  # As the legend shows it.


@pytest.mark.parametrize("low", [5e-324, 1e-300])
def test_the_longest_axes_have_ends(low: float) -> None:
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = {"log": FloatDistribution(low, 1.7e308, log=True)}
    for number, value in enumerate((-1.7e308, 1.7e308, 0.0)):
        trial = make_trial(number, {"log": 1.0}, distributions=space, value=value)
        study.add_trial(trial)
    for plot in (plot_history, plot_parameters):
        figure = plot(study)
        for axis in (*figure.select_xaxes(), *figure.select_yaxes()):
            assert all(math.isfinite(end) for end in axis.range or ())


def test_a_parameters_axis_is_as_long_as_its_range() -> None:
    study = optuna.create_study()
    space: dict[str, BaseDistribution] = {
        "x": FloatDistribution(0, 200),
        "log": FloatDistribution(1e-3, 1.0, log=True),
    }
    study.add_trial(make_trial(0, {"x": 3.0, "log": 0.1}, distributions=space, value=1.0))
    axes = {a.title.text: a for a in plot_parameters(study).select_xaxes()}
    assert list(axes["x"].range) == [-10, 210]
    assert [round(end, 2) for end in axes["log"].range] == [-3.15, 0.15]


def test_hover_tells_number_value_parameters_reason_and_failure() -> None:
    figure = plot_history(make_study(40))
    texts = [text for t in figure.data for text in t.hovertext or ()]
    llm = next(text for text in texts if "<b>trial 6</b>" in text)
    for part in ("language model", "value: ", "learning_rate = ", "A lower rate with shallow"):
        assert part in llm
    assert any("failed: out of memory" in text for text in texts)


def test_of_very_many_trials_some_are_drawn_from_best_to_worst() -> None:
    values = [float(5000 - n) for n in range(4500)]
    figure = plot_history(_with_values(values))
    shown = points(figure, "other sampler")
    assert len(shown) == 4000
    assert {max(values), min(values)} <= set(shown.values())
    (line,) = traces(figure, "best so far")
    assert len(line.y) == 4501
    panels = plot_parameters(_with_values(values), params=["max_depth"])
    assert len(points(panels, "other sampler")) <= 12


# ---- sources


def test_sources_has_a_panel_for_each_number() -> None:
    figure = plot_sources(make_study(30))
    trials, improvements, failures, ranks, regrets, costs = figure.data
    assert "share of infeasible trials" not in axis_titles(figure)
    assert dict(zip(trials.y, trials.x, strict=True))["language model"] == 5
    assert sum(trials.x) == 30
    assert max(failures.x) < 1
    assert all(rank >= 1 for rank in ranks.x)
    assert sum(improvements.x) >= 1
    by_source = dict(zip(regrets.y, regrets.x, strict=True))
    assert 0 < by_source["language model"] < by_source["statistical sampler"]
    assert dict(zip(costs.y, costs.x, strict=True))["language model"] == pytest.approx(5 * 0.0004)


def test_sources_shows_only_what_a_study_has() -> None:
    assert set(axis_titles(plot_sources(make_failed_study()))) == {
        "trials",
        "share of failed trials",
    }
    titles = axis_titles(plot_sources(make_plain_study()))
    assert not any("model" in title for title in titles)
    assert "median regret" not in axis_titles(plot_sources(make_two_objective_study()))


# ---- spending


def test_tokens_and_money_add_up_and_latency_does_not() -> None:
    study = make_study(30)
    records = [t.system_attrs["llm:proposal"] for t in study.trials]
    *totals, latency = plot_spending(study).data
    assert {t.name: t.y[-1] for t in totals} == {
        "prompt tokens": sum(r.get("prompt_tokens", 0) for r in records),
        "completion tokens": sum(r.get("completion_tokens", 0) for r in records),
        "cost": pytest.approx(sum(r.get("cost", 0) for r in records)),
    }
    assert list(latency.y) == [r["seconds"] for r in records if "seconds" in r]


def test_spending_marks_requests_that_failed() -> None:
    study = make_study(30)
    trace = plot_spending(study).data[0]
    failed = [x for x, s in zip(trace.x, trace.marker.symbol, strict=True) if s == "x"]
    assert failed == [t.number for t in study.trials if t.user_attrs["llm:source"] == "fallback"]


def test_an_unknown_cost_is_left_out() -> None:
    study = optuna.create_study()
    record = {"model": "m", "requests": 1, "prompt_tokens": 7}
    study.add_trial(make_trial(0, {"max_depth": 3}, source="llm", record=record, value=1.0))
    assert {t.name for t in plot_spending(study).data} == {
        "prompt tokens",
        "completion tokens",
        "latency",
    }


def test_spending_without_a_model_says_so() -> None:
    (note,) = plot_spending(make_plain_study()).layout.annotations
    assert note.text == "No language model was used in this study."


# ---- calibration


def test_calibration_shows_each_later_trial_with_its_interval_and_the_coverage() -> None:
    study = make_study(40)
    figure = plot_calibration(study)
    complete = [t for t in study.trials if t.state == TrialState.COMPLETE]
    shown = {
        n: y for t in figure.data if t.mode == "markers" for n, y in zip(t.x, t.y, strict=True)
    }
    assert shown == {t.number: t.value for t in complete[10:]}
    (bars,) = traces(figure, "80 % expected")
    intervals = {bars.x[i]: (bars.y[i], bars.y[i + 1]) for i in range(0, len(bars.x), 3)}
    inside = [intervals[n][0] <= y <= intervals[n][1] for n, y in shown.items()]
    (coverage,) = traces(figure, "share inside")
    assert dict(zip(coverage.x, coverage.y, strict=True))[0.8] == pytest.approx(
        sum(inside) / len(inside)
    )
    assert list(coverage.y) == sorted(coverage.y)


def test_calibration_of_few_trials_says_so() -> None:
    (note,) = plot_calibration(make_study(8)).layout.annotations
    assert "more than 10 complete trials" in note.text
