"""What the trials say of each parameter, as it is told to the model."""

from __future__ import annotations

from optuna.distributions import BaseDistribution
from optuna.distributions import IntDistribution
from optuna.trial import Trial
from optuna.trial import create_trial

from optuna_llm.prompts.statistics import effects
from tests.prompts.building import DISTRIBUTIONS
from tests.prompts.building import on_line
from tests.prompts.building import random_history
from tests.prompts.building import run
from tests.prompts.building import show
from tests.prompts.building import study_of


def test_statistics_name_the_parameter_that_matters() -> None:
    def objective(trial: Trial) -> float:
        a, b = trial.suggest_float("a", 0, 1), trial.suggest_float("b", 0, 1)
        level = trial.suggest_categorical("level", ["low", "mid", "high"])
        return a + 0.001 * b + {"low": 0, "mid": 0.2, "high": 0.4}[level]

    history = run(objective, 80)
    space = history.search_space()
    found = {e.name: e for e in effects(space, history)}
    assert found["a"].correlation is not None
    # Smaller is better here.
    assert found["a"].correlation < -0.5
    assert found["b"].correlation is None
    assert found["a"].strength > found["b"].strength
    assert found["a"].elite is not None
    assert found["a"].elite[1] < 0.5
    assert found["level"].levels[0][0] == "low"
    assert sum(n for _, n, _ in found["level"].levels) == 80
    text = show(history)
    assert "; trend -0." in next(x for x in text.splitlines() if x.startswith("a: the best"))
    assert "; no trend" in next(x for x in text.splitlines() if x.startswith("b: the best"))
    assert "level: low (best" in text


def test_what_the_best_have_not_varied_is_no_effect() -> None:
    known: dict[str, BaseDistribution] = {n: IntDistribution(1, 100) for n in ("layers", "width")}
    rows = [({"layers": 8, "width": 10 + i}, float(i)) for i in range(12)]
    rows += [({"layers": 20 + i, "width": 50 + i}, 50.0 + i) for i in range(12)]
    history = study_of([create_trial(params=p, distributions=known, value=v) for p, v in rows])
    text = show(history)
    assert "not varied among the best, so nothing is known: layers" in text
    assert "layers: the best" not in text
    assert "width: the best 5 have 10 to 14; trend" in text


def test_an_optimum_in_the_middle_is_an_effect() -> None:
    history = random_history(80, troubled=False)
    space = history.search_space()
    strongest, *others = effects(space, history)
    assert strongest.name == "lr"
    assert strongest.elite is not None
    assert 1e-4 < strongest.elite[0] < 1e-3 < strongest.elite[1] < 1e-2
    assert strongest.strength > 2 * max(e.strength for e in others)
    best = history.complete and history.best
    assert best
    assert strongest.elite[0] <= best.params["lr"] <= strongest.elite[1]


def test_few_effects_are_seen_where_there_are_none() -> None:
    found = 0
    for seed in range(40):
        history = random_history(60, seed=seed, troubled=False, scale=0.0)
        found += sum(e.strength > 0 for e in effects(history.search_space(), history))
    assert found <= 0.12 * 40 * len(DISTRIBUTIONS)


def test_curve_runs_from_the_first_to_the_best() -> None:
    history = on_line([float(v) for v in (9, 8, 8.5, 7, 6, 5, 4, 7, 3, 2, 5)])
    line = next(x for x in show(history).splitlines() if x.startswith("Best so far over time"))
    points = line.removesuffix(".").split(": ")[1].split(", ")
    assert len(points) == 5
    assert points[0] == "trial 0 9"
    assert points[-1] == "trial 9 2"


def test_few_trials_have_no_statistics() -> None:
    assert "correlation" not in show(random_history(6, troubled=False))
