from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import itertools
import json
import math
import subprocess
import sys
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.trial import TrialState
import plotly.graph_objects as go
import plotly.io
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import MissingExtraError
from optuna_llm.visualization import plot_calibration
from optuna_llm.visualization import plot_history
from optuna_llm.visualization import plot_parameters
from optuna_llm.visualization import plot_partial_dependence
from optuna_llm.visualization import plot_sources
from optuna_llm.visualization import plot_spending
from tests.studies import make_plain_study
from tests.studies import make_study
from tests.studies import make_trial
from tests.studies import make_two_objective_study


PLOTS = [
    plot_history,
    plot_sources,
    plot_spending,
    plot_parameters,
    plot_partial_dependence,
    plot_calibration,
]
ATTACK = "<img src=x onerror=alert(1)>"


def _three_objectives() -> optuna.Study:
    study = optuna.create_study(directions=["minimize"] * 3)
    study.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0, 2.0), n_trials=3)
    return study


def _only_failures() -> optuna.Study:
    study = optuna.create_study()
    for number in range(3):
        study.add_trial(make_trial(number, {"max_depth": 3}, source="llm", state=TrialState.FAIL))
    return study


def _without_parameters() -> optuna.Study:
    study = optuna.create_study()
    study.optimize(lambda trial: 1.0, n_trials=2)
    return study


STUDIES: dict[str, Callable[[], optuna.Study]] = {
    "every source and state": make_study,
    "maximize": lambda: make_study(direction="maximize"),
    "two objectives": make_two_objective_study,
    "three objectives": _three_objectives,
    "no attributes": make_plain_study,
    "only failures": _only_failures,
    "no parameters": _without_parameters,
    "one trial": lambda: make_study(1),
    "no trials": optuna.create_study,
}


@pytest.mark.parametrize("plot", PLOTS)
@pytest.mark.parametrize("name", STUDIES)
def test_every_study_becomes_a_valid_figure(
    plot: Callable[[optuna.Study], go.Figure], name: str
) -> None:
    figure = plot(STUDIES[name]())
    assert isinstance(figure, go.Figure)
    json.loads(plotly.io.to_json(figure, validate=True))


def _traces(figure: go.Figure, name: str) -> list[Any]:
    return [trace for trace in figure.data if trace.name == name]


def _points(figure: go.Figure, name: str) -> dict[int, Any]:
    return {x: y for t in _traces(figure, name) for x, y in zip(t.x, t.y, strict=True)}


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
    shown = {n: y for n, y in _points(figure, "language model").items() if y not in STATES}
    assert shown == expected
    (line,) = _traces(figure, "best so far")
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
    assert len(_points(figure, "other sampler")) == 6
    assert not _traces(figure, "statistical sampler")


def test_two_objectives_become_a_pareto_front_or_the_history_of_one() -> None:
    study = make_two_objective_study()
    (front,) = _traces(plot_history(study), "Pareto front")
    assert sorted(zip(front.x, front.y, strict=True)) == sorted(
        tuple(t.values) for t in study.best_trials
    )
    (line,) = _traces(plot_history(study, target_index=1), "best so far")
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


def test_hover_tells_number_value_parameters_reason_and_failure() -> None:
    figure = plot_history(make_study(40))
    texts = [text for t in figure.data for text in t.hovertext or ()]
    llm = next(text for text in texts if "<b>trial 6</b>" in text)
    for part in ("language model", "value: ", "learning_rate = ", "A lower rate with shallow"):
        assert part in llm
    assert any("failed: out of memory" in text for text in texts)


# ---- sources


def test_sources_has_a_panel_for_each_number() -> None:
    figure = plot_sources(make_study(30))
    trials, improvements, failures, ranks, regrets, costs = figure.data
    assert dict(zip(trials.y, trials.x, strict=True))["language model"] == 5
    assert sum(trials.x) == 30
    assert max(failures.x) < 1
    assert all(rank >= 1 for rank in ranks.x)
    assert sum(improvements.x) >= 1
    by_source = dict(zip(regrets.y, regrets.x, strict=True))
    assert 0 < by_source["language model"] < by_source["statistical sampler"]
    assert dict(zip(costs.y, costs.x, strict=True))["language model"] == pytest.approx(5 * 0.0004)


def test_sources_shows_only_what_a_study_has() -> None:
    titles = _axis_titles(plot_sources(make_plain_study()))
    assert not any("model" in title for title in titles)
    assert "median regret" not in _axis_titles(plot_sources(make_two_objective_study()))


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


# ---- parameters


def _axis_titles(figure: go.Figure) -> dict[str, Any]:
    return {axis.title.text: axis for axis in figure.select_xaxes()}


def test_each_parameter_has_a_panel_on_its_own_scale() -> None:
    study = make_study(30)
    figure = plot_parameters(study)
    axes = _axis_titles(figure)
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
    axis = _axis_titles(plot_parameters(study))["x"]
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
    trace = _traces(plot_parameters(study), "other sampler")[0]
    assert list(trace.x) == [0, 1, 2]


def test_conditional_parameters_show_the_trials_that_have_them() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))

    def objective(trial: optuna.Trial) -> float:
        if trial.suggest_categorical("kind", ["linear", "tree"]) == "tree":
            return float(trial.suggest_int("depth", 1, 9))
        return 3.0

    study.optimize(objective, n_trials=12)
    trees = [t for t in study.trials if t.params["kind"] == "tree"]
    figure = plot_parameters(study)
    axis = _axis_titles(figure)["depth"]
    name = axis.plotly_name.replace("axis", "")
    (trace,) = [t for t in figure.data if t.xaxis == name and t.name == "other sampler"]
    assert list(trace.x) == [t.params["depth"] for t in trees]


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
        title: axis.plotly_name.replace("axis", "") for title, axis in _axis_titles(figure).items()
    }
    for name, place in axes.items():
        band, median, *markers = [t for t in figure.data if t.xaxis == place]
        assert (band.name, median.name) == ("80 % expected", "median expected"), name
        assert all(t.mode == "markers" for t in markers)
        assert min(y for y in band.y if y == y) < min(y for y in median.y if y == y)
    (depth,) = [t for t in _traces(figure, "median expected") if t.xaxis == axes["max_depth"]]
    assert 4 <= depth.x[depth.y.index(min(depth.y))] <= 6  # The made-up loss is least at 5.


@pytest.mark.parametrize("plot", [plot_parameters, plot_partial_dependence])
def test_the_parameters_to_show_can_be_chosen(plot: Callable[..., go.Figure]) -> None:
    study = make_study(20)
    chosen = ["subsample", "booster"]
    assert list(_axis_titles(plot(study, params=chosen))) == chosen
    with pytest.raises(ConfigurationError, match=r"params=\['width'\].*no parameter 'width'"):
        plot(study, params=["width"])


def test_few_trials_have_no_bands() -> None:
    assert not _traces(plot_partial_dependence(make_study(8)), "80 % expected")


# ---- calibration


def test_calibration_shows_each_later_trial_with_its_interval_and_the_coverage() -> None:
    study = make_study(40)
    figure = plot_calibration(study)
    complete = [t for t in study.trials if t.state == TrialState.COMPLETE]
    shown = {
        n: y for t in figure.data if t.mode == "markers" for n, y in zip(t.x, t.y, strict=True)
    }
    assert shown == {t.number: t.value for t in complete[10:]}
    (bars,) = _traces(figure, "80 % expected")
    intervals = {bars.x[i]: (bars.y[i], bars.y[i + 1]) for i in range(0, len(bars.x), 3)}
    inside = [intervals[n][0] <= y <= intervals[n][1] for n, y in shown.items()]
    (coverage,) = _traces(figure, "share inside")
    assert dict(zip(coverage.x, coverage.y, strict=True))[0.8] == pytest.approx(
        sum(inside) / len(inside)
    )
    assert list(coverage.y) == sorted(coverage.y)


def test_calibration_of_few_trials_says_so() -> None:
    (note,) = plot_calibration(make_study(8)).layout.annotations
    assert "more than 10 complete trials" in note.text


# ---- foreign text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


@pytest.mark.parametrize("plot", PLOTS)
def test_foreign_text_is_shown_and_not_run(plot: Callable[[optuna.Study], go.Figure]) -> None:
    study = optuna.create_study(study_name=ATTACK)
    study.set_metric_names([ATTACK])
    space: dict[str, BaseDistribution] = {
        ATTACK: FloatDistribution(0, 1),
        "c": CategoricalDistribution((ATTACK, "b")),
    }
    record = {"model": ATTACK, "requests": 1, "error": ATTACK, "cost": 0.1}
    options: dict[str, Any] = {
        "source": "llm",
        "rationale": ATTACK,
        "record": record,
        "distributions": space,
        "user_attrs": {"fail_reason": ATTACK},
    }
    for number in range(13):
        outcome = {"state": TrialState.FAIL} if number == 0 else {"value": 1.0 + number}
        study.add_trial(make_trial(number, {ATTACK: 0.1, "c": ATTACK}, **options, **outcome))
    strings = list(_strings(json.loads(plotly.io.to_json(plot(study)))))
    assert not any("<img" in s for s in strings)
    assert any("&lt;img" in s for s in strings)


# ---- plotly


@pytest.mark.parametrize("plot", PLOTS)
def test_without_plotly_the_extra_is_named(
    plot: Callable[[optuna.Study], go.Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtraError, match=r'pip install "optuna-llm\[plot\]"'):
        plot(make_plain_study(1))


def test_importing_the_module_does_not_import_plotly() -> None:
    code = "import optuna_llm.visualization, sys; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
