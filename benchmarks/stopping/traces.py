"""What rules look at: a recorded study, trial by trial, as one table.

A table is made once for each recording and kept beside it. A rule is then a function of tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
import warnings

import numpy as np
import optuna
from optuna.terminator import CrossValidationErrorEvaluator
from optuna.terminator import EMMREvaluator
from optuna.terminator import MedianErrorEvaluator
from optuna.terminator import RegretBoundEvaluator
import pandas as pd

from benchmarks.stopping.record import replay
from optuna_llm.history.history import History
from optuna_llm.stopping import ExpectedImprovement
from optuna_llm.stopping import RegretBound
from optuna_llm.stopping.remaining import Remaining


FIRST = 20
# Surrogates are asked after every second trial, those of optuna.terminator after every fourth.
_EVERY = 2
_EVERY_OF_OPTUNA = 4


def trace(path: Path) -> pd.DataFrame:
    """Return the table of a recording, a row for each trial.

    Columns: ``value`` and ``test`` of the best trial so far, the test of the trial itself
    (``tested``), ``seconds`` so far, the interquartile range of all values (``spread``), and pairs
    of what a rule expects and what it holds that against: ``left`` and ``worth`` of our default,
    ``bound`` and ``error`` of our regret bound, ``optuna_bound``, ``optuna_error``, ``emmr`` and
    ``emmr_error``. NaN where a rule was not asked, or says nothing.
    """
    kept = path.with_suffix(".csv")
    if not kept.exists():
        warnings.simplefilter("ignore")
        table = pd.DataFrame(_rows(path))
        table.to_csv(kept, index=False)
    return pd.read_csv(kept)


def _rows(path: Path) -> list[dict[str, float]]:
    emmr = EMMREvaluator(seed=0)
    median = MedianErrorEvaluator(EMMREvaluator(seed=0))
    rows = []
    seconds = 0.0
    for study in replay(path):
        n = len(study.trials)
        duration = study.trials[-1].duration
        seconds += duration.total_seconds() if duration else 0.0
        low, high = np.quantile([t.value for t in study.trials], (0.25, 0.75))
        best = study.best_trial
        row = {
            "value": study.best_value,
            "test": best.user_attrs["test"],
            "tested": study.trials[-1].user_attrs["test"],
            "seconds": seconds,
            "spread": high - low,
        }
        if n >= FIRST and n % _EVERY == 0:
            row |= _ours(study)
        if n >= FIRST and n % _EVERY_OF_OPTUNA == 0:
            row |= _optuna(study, emmr, median)
        rows.append(row)
    return rows


def _ours(study: optuna.Study) -> Mapping[str, float]:
    remaining = Remaining(History.from_study(study))
    found = ExpectedImprovement(patience=1)(remaining)
    bound = RegretBound()(remaining)
    names = ("left", "worth", "bound", "error")
    values = (found.left, found.worth, bound.left, bound.worth)
    return {n: np.nan if v is None else v for n, v in zip(names, values, strict=True)}


def _optuna(
    study: optuna.Study, emmr: EMMREvaluator, median: MedianErrorEvaluator
) -> Mapping[str, float]:
    trials, direction = study.trials, study.direction
    found = {}
    try:
        found["optuna_error"] = CrossValidationErrorEvaluator().evaluate(trials, direction)
        found["optuna_bound"] = RegretBoundEvaluator(seed=0).evaluate(trials, direction)
    except ValueError:  # Nothing was left by folds, or no parameter is in every trial.
        pass
    try:
        found["emmr"] = emmr.evaluate(trials, direction)
        found["emmr_error"] = median.evaluate(trials, direction)
    except ValueError:
        pass
    return found
