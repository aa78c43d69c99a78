"""Rules as functions of tables: after how many trials a study stops."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

from benchmarks.stopping.traces import FIRST


# Returns after how many trials a table's study stops.
Stops = Callable[[pd.DataFrame], int]


@dataclass(frozen=True)
class Family:
    """Rules that differ in one number.

    Attributes:
        settings: The rules by that number.
        default: The number that is the rule's own default.
    """

    settings: dict[float, Stops]
    default: float


def below(left: str, worth: str, factor: float, patience: int = 1) -> Stops:
    """Stop when one column is less than a multiple of another, as often in a row as it is asked.

    Where a column says nothing, a study goes on to its end.
    """

    def stops(table: pd.DataFrame) -> int:
        if not {left, worth} <= set(table):
            return len(table)
        asked = table[[left, worth]].dropna()
        row = 0
        for n, done in zip(asked.index, asked[left] < factor * asked[worth], strict=True):
            row = row + 1 if done else 0
            if row >= patience:
                return int(n) + 1
        return len(table)

    return stops


def patience(trials: int) -> Stops:
    """Stop after so many trials without an improvement."""

    def stops(table: pd.DataFrame) -> int:
        value = table["value"].to_numpy()
        for n in range(max(FIRST, trials + 1), len(table)):
            if value[n - 1] >= value[n - 1 - trials]:
                return n
        return len(table)

    return stops


def stagnation(share: float, window: int = 5) -> Stops:
    """Stop when the best has improved by less than a share of the values' interquartile range.

    The global stopping rule of Ax, within its window of trials.
    """

    def stops(table: pd.DataFrame) -> int:
        value, spread = table["value"].to_numpy(), table["spread"].to_numpy()
        for n in range(FIRST, len(table)):
            if value[n - 1 - window] - value[n - 1] < share * spread[n - 1]:
                return n
        return len(table)

    return stops


_FACTORS = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

FAMILIES: dict[str, Family] = {
    "expected improvement": Family(
        # Asked after every second trial: two answers in a row span three trials.
        {f: below("left", "worth", f, patience=2) for f in _FACTORS},
        1.0,
    ),
    "regret bound": Family({f: below("bound", "error", f) for f in _FACTORS}, 1.0),
    "optuna, regret bound": Family(
        {f: below("optuna_bound", "optuna_error", f) for f in _FACTORS}, 1.0
    ),
    "optuna, EMMR": Family({f: below("emmr", "emmr_error", f) for f in _FACTORS}, 1.0),
    "patience": Family({w: patience(w) for w in (5, 10, 20, 30)}, 20),
    "Ax": Family({s: stagnation(s) for s in (0.001, 0.01, 0.1)}, 0.1),
}


def outcome(table: pd.DataFrame, n: int) -> dict[str, float]:
    """Return what stopping after n trials has saved and cost.

    ``saved``: share of the trials; ``time``: of their time (RTC of Makarova et al. 2022);
    ``ryc``: relative change of the test, positive where stopping was better (RYC); ``lost``: what
    the test is worse by, in shares of the range of all trials' tests but the worst twentieth.
    """
    stopped, end = table["test"].iloc[n - 1], table["test"].iloc[-1]
    seconds = table["seconds"].iloc[n - 1] / max(table["seconds"].iloc[-1], 1e-12)
    span = table["tested"].quantile(0.95) - table["tested"].min() or 1.0
    return {
        "stopped": n,
        "saved": 1 - n / len(table),
        "time": 1 - seconds,
        "ryc": (end - stopped) / max(abs(end), abs(stopped), 1e-12),
        "lost": (stopped - end) / span,
    }
