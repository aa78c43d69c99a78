"""The results file: one row a trial, appended study by study."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
import csv
import io
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.references import known


FIELDS = ("suite", "task", "seed", "sampler", "trial", "value", "seconds", "observed")


# The suite whose trials may be infeasible.
CONSTRAINED = "constrained"


class Job(NamedTuple):
    """One study of the benchmark; ``task`` is the full name, ``suite/task``."""

    task: str
    seed: int
    sampler: str


class Row(NamedTuple):
    """One finished trial.

    Attributes:
        trial: How many trials had finished before.
        value: The true loss; None for a trial without one that counts (failed, pruned, or a
            constraint broken).
        seconds: Time spent in the sampler.
        observed: What the sampler was told, where that differs from ``value``.
    """

    trial: int
    value: float | None
    seconds: float
    observed: float | None = None


class ResultsFile:
    """A CSV file that only grows; a study is written by one call of the system, or not at all."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def finished(self, n_trials: int) -> set[Job]:
        """Return the studies that the file holds with at least ``n_trials`` trials."""
        if not self._path.exists():
            return set()
        with self._path.open(newline="") as file:
            rows = csv.DictReader(file)
            counts = Counter(
                (Job(f"{r['suite']}/{r['task']}", int(r["seed"]), r["sampler"]), int(r["trial"]))
                for r in rows
                if r["seconds"]
            )
        trials = Counter(job for job, _ in counts)
        return {job for job, n in trials.items() if n >= n_trials}

    def append(self, job: Job, rows: Iterable[Row]) -> None:
        """Append one whole study."""
        suite, _, task = job.task.partition("/")
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        if not self._path.exists():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            writer.writerow(FIELDS)
        elif not self._path.read_bytes().endswith(b"\n"):
            text.write("\n")  # What was cut off stays a row of its own.
        for row in rows:
            value, observed = _number(row.value), _number(row.observed)
            own = (row.trial, value, f"{row.seconds:.3g}", observed)
            writer.writerow((suite, task, job.seed, job.sampler, *own))
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            os.write(handle, text.getvalue().encode())
        finally:
            os.close(handle)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.7g}"


def is_constrained(suites: pd.Series[str]) -> pd.Series[bool]:
    """Return which suites are of constrained tasks, variants included."""
    found: pd.Series[bool] = suites.str.partition("-")[0] == CONSTRAINED
    return found


def variant_of(suites: pd.Series[str]) -> pd.Series[str]:
    """Return the variant of each suite, ``plain`` where it is none."""
    found: pd.Series[str] = suites.str.partition("-")[2].replace("", "plain")
    return found


def read(paths: Iterable[Path]) -> pd.DataFrame:
    """Read results files into one table, with the regret of the best configuration so far.

    Returns:
        One row a trial of the last run of each study, with the columns of the file and
        ``regret``: of the configuration that looks best after the trial, at least 0 (a study may
        find a better configuration than the best that was known). Before the first value it is
        infinite in a constrained task, and NaN in others.
    """
    rows = pd.concat([pd.read_csv(path) for path in paths], ignore_index=True)
    rows = rows.dropna(subset=["seconds"])
    key = ["suite", "task", "seed", "sampler"]
    rows = rows.drop_duplicates([*key, "trial"], keep="last").sort_values([*key, "trial"])
    scales = known()
    names = rows["suite"].str.partition("-")[0] + "/" + rows["task"].astype(str)
    missing = sorted(set(names) - set(scales))
    if missing:
        raise SystemExit(f"references.json lacks {missing}: `python -m benchmarks run` adds them")
    best = names.map({n: r.best for n, r in scales.items()})
    median = names.map({n: r.median for n, r in scales.items()})
    # A loss that was told but does not count is that of an infeasible trial.
    looks = rows["observed"].fillna(rows["value"]).where(rows["value"].notna())
    groups = [rows[c] for c in key]
    best_before = looks.groupby(groups).cummin().groupby(groups).ffill().groupby(groups).shift()
    is_incumbent = looks.notna() & ~(looks >= best_before)
    incumbent = rows["value"].where(is_incumbent).groupby(groups).ffill()
    regret = ((incumbent - best) / (median - best)).clip(lower=0.0)
    regret = regret.mask(is_constrained(rows["suite"]) & regret.isna(), np.inf)
    found: pd.DataFrame = rows.assign(regret=regret)
    return found
