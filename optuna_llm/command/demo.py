"""What ``optuna-llm demo`` runs: XGBoost tuned by ``LLMSampler``, by random search and not at all.

Everything is stored in one file, so a demonstration that was interrupted goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
import os
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler
from optuna.trial import Trial
from optuna.trial import TrialState

from optuna_llm.extras import check_extra
from optuna_llm.history.history import History
from optuna_llm.reporting.page import report
from optuna_llm.reporting.tables import LABELS
from optuna_llm.reporting.tables import columns
from optuna_llm.reporting.tables import show_value
from optuna_llm.reporting.tables import summarize_model_use
from optuna_llm.reporting.tables import summarize_sources


if TYPE_CHECKING:
    from pathlib import Path

    from optuna import Study
    from optuna.samplers import BaseSampler


STUDY_NAME = "optuna-llm-demo"
RANDOM_STUDY_NAME = "optuna-llm-demo-random-search"
TASK = (
    "XGBoost classifier on scikit-learn's breast-cancer data (569 rows, 30 numeric features,"
    " 2 classes); log-loss of a 5-fold cross-validation, to be minimized."
)
# XGBoost's own names; the ranges of its guide to parameter tuning and of common practice.
SEARCH_SPACE: dict[str, BaseDistribution] = {
    "n_estimators": IntDistribution(20, 200),
    "learning_rate": FloatDistribution(0.01, 0.5, log=True),
    "max_depth": IntDistribution(1, 8),
    "min_child_weight": FloatDistribution(0.1, 20.0, log=True),
    "subsample": FloatDistribution(0.3, 1.0),
    "colsample_bytree": FloatDistribution(0.2, 1.0),
    "colsample_bylevel": FloatDistribution(0.2, 1.0),
    "gamma": FloatDistribution(0.0, 5.0),
    "reg_lambda": FloatDistribution(1e-3, 100.0, log=True),
    "reg_alpha": FloatDistribution(1e-4, 10.0, log=True),
}
_N_FOLDS = 5

Score = Callable[[Mapping[str, Any]], float]


@dataclass(frozen=True)
class Result:
    """What the demonstration found.

    Attributes:
        study: The study of :class:`optuna_llm.LLMSampler`.
        random_study: Random search with the same objective and number of trials.
        default_value: The objective with XGBoost's default configuration.
    """

    study: Study
    random_study: Study
    default_value: float


def xgboost_score() -> Score:
    """Return a function from a configuration to its cross-validated log-loss.

    The folds and XGBoost's random numbers are fixed and each fit runs on one thread: the same
    configuration always scores the same.
    """
    from sklearn.datasets import load_breast_cancer
    from sklearn.model_selection import StratifiedKFold
    from sklearn.model_selection import cross_val_score
    from xgboost import XGBClassifier

    features, labels = load_breast_cancer(return_X_y=True)
    folds = StratifiedKFold(_N_FOLDS, shuffle=True, random_state=0)

    def score(params: Mapping[str, Any]) -> float:
        model = XGBClassifier(n_jobs=1, random_state=0, **params)
        losses = cross_val_score(model, features, labels, cv=folds, scoring="neg_log_loss")
        return float(-losses.mean())

    return score


def objective(score: Score) -> Callable[[Trial], float]:
    """Return the objective that suggests every parameter of :data:`SEARCH_SPACE`."""

    def value(trial: Trial) -> float:
        try:
            return score(_suggest(trial))
        except KeyboardInterrupt:
            # Optuna would print the traceback of what the user has asked for.
            optuna.logging.set_verbosity(optuna.logging.ERROR)
            raise

    return value


def _suggest(trial: Trial) -> dict[str, Any]:
    params: dict[str, Any] = {}
    for name, distribution in SEARCH_SPACE.items():
        if isinstance(distribution, IntDistribution):
            params[name] = trial.suggest_int(name, distribution.low, distribution.high)
        elif isinstance(distribution, FloatDistribution):
            params[name] = trial.suggest_float(
                name, distribution.low, distribution.high, log=distribution.log
            )
    return params


def run(
    score: Score,
    *,
    sampler: BaseSampler,
    n_trials: int,
    storage: optuna.storages.BaseStorage,
    seed: int,
    show_progress: bool = True,
    say: Callable[[str], None] = print,
) -> Result:
    """Bring both studies to ``n_trials`` trials and return them.

    Args:
        score: The function to minimize.
        sampler: The sampler of the first study; random search has its own.
        n_trials: How many completed trials each study shall have.
        storage: Where both studies are stored; trials that are there count.
        seed: Seed of random search.
        show_progress: Whether to show Optuna's progress bar.
        say: Prints one line.
    """

    def search(name: str, make_sampler: Callable[[int], BaseSampler]) -> Study:
        study = optuna.create_study(
            study_name=name, storage=storage, direction="minimize", load_if_exists=True
        )
        study.sampler = make_sampler(len(study.trials))
        if "seed" not in study.user_attrs:
            study.set_user_attr("seed", seed)
        done = n_complete(study)
        left = max(0, n_trials - done)
        plan = f"{done} trials are there already, {left} to do" if done else f"{left} trials to do"
        say(f"{name}: {plan} with {type(study.sampler).__name__}.")
        if left:
            try:
                study.optimize(objective(score), n_trials=left, show_progress_bar=show_progress)
            except UnboundLocalError as error:
                # What Optuna 5.0 makes of an interrupt that comes while it stores a result.
                if isinstance(error.__context__, KeyboardInterrupt):
                    raise error.__context__ from None
                raise
        return study

    with _quiet():
        return Result(
            search(STUDY_NAME, lambda _: sampler),
            # Random search that starts anew from its seed would repeat its first trials.
            search(RANDOM_STUDY_NAME, lambda n_there: RandomSampler(seed=seed + n_there)),
            score({}),
        )


def n_complete(study: Study) -> int:
    """Return the number of complete trials; what was interrupted is done again."""
    return len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Leave the terminal to the progress bar; warnings still come through."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)


def describe(result: Result) -> str:
    """Return what was found, as text for a terminal."""
    study = result.study
    history = History.from_study(study)
    usage = summarize_model_use(history)
    scores = [
        [name, f"{study.best_value:.5f}", f"best of {n_complete(study)} trials"]
        for name, study in (
            (type(result.study.sampler).__name__, result.study),
            ("random search", result.random_study),
        )
    ]
    scores.append(["XGBoost's defaults", f"{result.default_value:.5f}", "1 configuration"])
    lines = ["", f"Log-loss in {_N_FOLDS}-fold cross-validation, lower is better:"]
    lines += columns(scores)
    lines += [
        "These are the scores that the search has seen, not the scores on a test set: the best of",
        "many trials looks better than it is.",
        "",
        f"Best configuration (trial {study.best_trial.number}):",
        *columns([[name, show_value(value)] for name, value in study.best_params.items()]),
        "",
        "Who proposed what:",
    ]
    lines += columns(
        [["", "trials", "improvements", "best"]]
        + [
            [
                LABELS[s.proposer],
                str(s.trials),
                str(s.improvements),
                "none" if s.best is None else f"{s.best:.5f}",
            ]
            for s in summarize_sources(history)
        ]
    )
    if usage.requests:
        cost = "cost not known" if usage.cost is None else f"cost {usage.cost:.4g}"
        lines += [
            "",
            f"Language model {', '.join(usage.models)}: {usage.requests} requests,"
            f" {usage.prompt_tokens + usage.completion_tokens:,} tokens, {cost},"
            f" {usage.seconds:.1f} s of waiting.",
        ]
    return "\n".join(lines)


def demo(
    *,
    n_trials: int,
    model: str | None,
    base_url: str | None,
    storage: optuna.storages.BaseStorage,
    report_path: str | os.PathLike[str],
    seed: int,
) -> Path:
    """Run the demonstration, print what it found, and write the report.

    Returns:
        The path of the report.

    Raises:
        MissingExtraError: XGBoost, scikit-learn or Plotly is not installed.
        optuna_llm.errors.OptunaLLMError: The model cannot be used as set up, or the report cannot
            be written.
        KeyboardInterrupt: The user has stopped it; what is finished is stored.
    """
    for package in ("xgboost", "sklearn", "plotly"):
        check_extra(package, extra="demo", need="The demonstration needs")
    from optuna_llm import LLMSampler

    score = xgboost_score()
    with _quiet():
        sampler = LLMSampler(
            model, base_url=base_url, task=TASK, search_space=SEARCH_SPACE, seed=seed
        )
    result = run(score, sampler=sampler, n_trials=n_trials, storage=storage, seed=seed)
    print(describe(result))
    path = report(
        result.study,
        report_path,
        baselines={
            "XGBoost's defaults": result.default_value,
            f"random search, {n_trials} trials": result.random_study.best_value,
        },
    )
    return path
