from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import sys
from typing import Any

import optuna
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.storages import InMemoryStorage
from optuna.trial import TrialState
import pytest

from optuna_llm.command import demo
from optuna_llm.command.cli import main
from optuna_llm.errors import MissingExtraError


def _score(params: Mapping[str, Any]) -> float:
    """Return a made-up loss with its best value at a learning rate of 0.1."""
    return 1.0 + abs(float(params.get("learning_rate", 0.3)) - 0.1)


def _run(storage: BaseStorage, n_trials: int = 6, score: demo.Score = _score) -> demo.Result:
    return demo.run(
        score,
        sampler=TPESampler(seed=0),
        n_trials=n_trials,
        storage=storage,
        seed=0,
        show_progress=False,
        say=lambda line: None,
    )


@pytest.fixture
def storage() -> InMemoryStorage:
    return InMemoryStorage()


def test_both_searches_get_the_same_number_of_trials(storage: InMemoryStorage) -> None:
    result = _run(storage)
    assert len(result.study.trials) == len(result.random_study.trials) == 6
    assert result.default_value == pytest.approx(1.2)
    assert set(result.study.best_params) == set(demo.SEARCH_SPACE)
    assert result.study.user_attrs["seed"] == 0
    assert optuna.get_all_study_names(storage) == [demo.STUDY_NAME, demo.RANDOM_STUDY_NAME]


def test_a_second_run_adds_only_what_is_missing(storage: InMemoryStorage) -> None:
    _run(storage, 4)
    assert len(_run(storage, 4).study.trials) == 4
    assert len(_run(storage, 3).random_study.trials) == 4
    more = _run(storage, 7)
    assert len(more.study.trials) == len(more.random_study.trials) == 7
    rates = [t.params["learning_rate"] for t in more.random_study.trials]
    assert len(set(rates)) == 7


def test_an_interrupted_run_keeps_what_is_finished_and_goes_on(
    storage: InMemoryStorage, capfd: pytest.CaptureFixture[str]
) -> None:
    calls = 0

    def interrupted(params: Mapping[str, Any]) -> float:
        nonlocal calls
        calls += 1
        if calls == 4:
            raise KeyboardInterrupt
        return _score(params)

    with pytest.raises(KeyboardInterrupt):
        _run(storage, score=interrupted)
    assert "Traceback" not in "".join(capfd.readouterr())
    study = optuna.load_study(study_name=demo.STUDY_NAME, storage=storage)
    assert demo.n_complete(study) == 3
    result = _run(storage)
    assert demo.n_complete(result.study) == demo.n_complete(result.random_study) == 6


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
    assert demo.n_complete(_run(storage).study) == 6


def test_progress_is_told_in_words(storage: InMemoryStorage) -> None:
    said: list[str] = []
    options: dict[str, Any] = {"storage": storage, "seed": 0, "show_progress": False}
    for n_trials in (2, 3):
        demo.run(_score, sampler=TPESampler(seed=0), n_trials=n_trials, say=said.append, **options)
    assert said[0] == "optuna-llm-demo: 2 trials to do with TPESampler."
    assert said[2] == "optuna-llm-demo: 2 trials are there already, 1 to do with TPESampler."


def test_logging_is_as_loud_as_before(storage: InMemoryStorage) -> None:
    optuna.logging.set_verbosity(optuna.logging.INFO)
    _run(storage, 1)
    assert optuna.logging.get_verbosity() == optuna.logging.INFO


def test_the_text_tells_scores_and_calls_them_by_their_name(storage: InMemoryStorage) -> None:
    result = _run(storage, 6)
    text = demo.describe(result)
    for value in (result.study.best_value, result.random_study.best_value, 1.2):
        assert f"{value:.5f}" in text
    assert "not the scores on a test set" in text
    assert "learning_rate" in text
    assert "other sampler" in text
    assert "Language model" not in text


def test_the_objective_suggests_exactly_the_search_space() -> None:
    study = optuna.create_study(sampler=TPESampler(seed=0))
    study.optimize(demo.objective(_score), n_trials=1)
    assert study.trials[0].distributions == demo.SEARCH_SPACE
    for distribution in demo.SEARCH_SPACE.values():
        assert isinstance(distribution, FloatDistribution | IntDistribution)


def test_the_score_is_reproducible_and_depends_on_the_parameters() -> None:
    score = demo.xgboost_score()
    params = {"n_estimators": 5, "subsample": 0.5}
    assert score(params) == score(params)
    assert 0 < score({"n_estimators": 20}) < score(params)


@pytest.mark.parametrize("package", ["xgboost", "sklearn", "plotly"])
def test_a_missing_package_is_named_before_anything_is_run(
    package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    storage = InMemoryStorage()
    with pytest.raises(MissingExtraError, match=rf'needs {package}; .*pip install .*"demo"'):
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
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--trials", "6"]) == 0
    out = capsys.readouterr().out
    assert "LLMSampler" in out
    assert "prior knowledge" in out
    page = (tmp_path / "optuna-llm-demo.html").read_text(encoding="utf-8")
    assert "random search, 6 trials" in page
    assert main(["demo", "--trials", "6"]) == 0
    assert "6 trials are there already, 0 to do" in capsys.readouterr().out
    study = optuna.load_study(study_name=demo.STUDY_NAME, storage="sqlite:///optuna-llm-demo.db")
    assert [t.state for t in study.trials] == [TrialState.COMPLETE] * 6
    assert {t.user_attrs["llm:source"] for t in study.trials} <= {"prior", "base"}
