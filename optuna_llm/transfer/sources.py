"""Earlier results, wherever they are kept: a study, trials, a table or a file becomes a source."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
import csv
from dataclasses import dataclass
from dataclasses import replace
from datetime import datetime
import os
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial
from optuna.trial import TrialState
from optuna.trial import create_trial

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.history.history import Observation
from optuna_llm.history.stored import load_study
from optuna_llm.sharing.checks import shown
from optuna_llm.space.numbers import is_number


if TYPE_CHECKING:
    from optuna import Study


_PARAMS = "params_"
# What a table of trials has beside parameters and values, as Optuna writes it.
_COLUMNS = frozenset({"number", "state", "value", "duration", "datetime_start"})
_COLUMNS |= {"datetime_complete"}
_FORMS = (
    "a study, (name of a study, storage), a list of trials, a DataFrame, or the path of a CSV file"
)


@dataclass(frozen=True)
class SourceTrial:
    """A finished trial of a source.

    Attributes:
        number: Its number there.
        params: Its native parameters.
        place: How many trials of the source are better, those that break constraints behind all
            others; the same for equal values.
    """

    number: int
    params: Mapping[str, Any]
    place: int


@dataclass(frozen=True)
class Source:
    """What is known from earlier.

    Attributes:
        name: What people call it.
        distributions: Its parameters; those of a table span its values.
        trials: Complete trials with finite values, best first by the source's own directions.
        n_objectives: How many values each has.
        newest: When the newest trial began, where that is known.
        is_directed: Whether its directions are its own, or only assumed.
    """

    name: str
    distributions: Mapping[str, BaseDistribution]
    trials: tuple[SourceTrial, ...]
    n_objectives: int
    newest: datetime | None = None
    is_directed: bool = True

    def towards(self, direction: StudyDirection) -> Source:
        """Return it for a study with this direction, where it was read as minimised."""
        if self.is_directed or direction != StudyDirection.MAXIMIZE:
            return self
        last = len(self.trials) - 1
        turned = (replace(t, place=last - t.place) for t in reversed(self.trials))
        return replace(self, trials=tuple(turned))


def read_sources(given: Any, directions: Sequence[StudyDirection]) -> list[Source]:
    """Read sources, the newest first; without dates the first counts as the newest.

    Args:
        given: One source or a list of them: studies, (name, storage), lists of trials, DataFrames
            or paths of CSV files.
        directions: Of the new study; those of trials and tables are the same.

    Raises:
        ConfigurationError: A source cannot be read; the message says which and why.
    """
    each = [given] if _is_one(given) else given
    if not isinstance(each, Sequence) or isinstance(each, str | bytes):
        raise ConfigurationError(
            f"{shown('sources', given)} must be {_FORMS}; or a list of these."
        )
    sources = [_read(one, f"sources[{i}]", directions) for i, one in enumerate(each)]
    return newest_first(sources)


def newest_first(sources: Sequence[Source]) -> list[Source]:
    """Return sources by date, the newest first; as they are where one has no date."""
    dates = [s.newest for s in sources if s.newest is not None]
    if len(dates) < len(sources):
        return list(sources)
    order = sorted(range(len(sources)), key=dates.__getitem__, reverse=True)
    return [sources[i] for i in order]


def _is_one(given: Any) -> bool:
    if isinstance(given, list | tuple):
        is_named = len(given) == 2 and isinstance(given, tuple) and isinstance(given[0], str)
        return is_named or (len(given) > 0 and all(isinstance(t, FrozenTrial) for t in given))
    return True


def _read(given: Any, argument: str, directions: Sequence[StudyDirection]) -> Source:
    """Read one source; errors name the argument."""
    if hasattr(given, "_storage"):
        return of_study(given, argument)
    if isinstance(given, tuple) and len(given) == 2 and isinstance(given[0], str):
        name, storage = given
        if not isinstance(storage, str | BaseStorage):
            raise ConfigurationError(
                f"{shown(argument, given)}: the second must be a storage or its URL."
            )
        try:
            return of_study(load_study(storage, name), argument)
        except ConfigurationError as error:
            raise ConfigurationError(f"{argument}: {error}") from None
    if isinstance(given, list | tuple) and all(isinstance(t, FrozenTrial) for t in given):
        return _of_trials(argument, given, directions)
    if hasattr(given, "to_dict") and hasattr(given, "columns"):
        rows = given.to_dict("records")
        return _of_rows(argument, argument, rows, directions)
    if isinstance(given, str | os.PathLike):
        path = Path(given)
        if not path.is_file():
            raise ConfigurationError(
                f"{shown(argument, str(given))}: there is no such file. A source is {_FORMS}."
            )
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [{k: _parsed(v) for k, v in row.items()} for row in csv.DictReader(file)]
        return _of_rows(path.name, argument, rows, directions)
    raise ConfigurationError(f"{shown(argument, given)} must be {_FORMS}.")


def of_study(study: Study, argument: str) -> Source:
    """Read a study.

    Raises:
        ConfigurationError: It is no longer in its storage.
    """
    try:
        history = History.from_study(study)
    except KeyError:
        raise ConfigurationError(
            f"{argument}: study {study.study_name!r} is no longer in its storage."
        ) from None
    return _of_history(study.study_name, history)


def _of_trials(
    name: str, trials: Iterable[FrozenTrial], directions: Sequence[StudyDirection]
) -> Source:
    signs = tuple(-1 if d == StudyDirection.MAXIMIZE else 1 for d in directions)
    distributions: dict[str, BaseDistribution] = {}
    observations = []
    for trial in trials:
        distributions.update(trial.distributions)
        n_values = len(trial.values) if trial.values is not None else 0
        # A wrong number of values is told later, of all sources in the same way.
        own = signs if n_values in (0, len(signs)) else (1,) * n_values
        observations.append(Observation(trial, own))
    found = next((o.signs for o in observations if o.values is not None), signs)
    ways = [StudyDirection.MAXIMIZE if s < 0 else StudyDirection.MINIMIZE for s in found]
    kept = tuple(o for o in observations if len(o.signs) == len(found))
    history = History(tuple(ways), ("value",) * len(ways), kept, distributions)
    return replace(_of_history(name, history), is_directed=False)


def _of_history(name: str, history: History) -> Source:
    """Return the complete trials of a study, from best to worst."""
    trials: list[SourceTrial] = []
    before: tuple[Any, ...] | None = None
    for o in history.ranking:
        if o.values is None or not np.isfinite(o.values).all():
            continue
        result = (o.violation, o.values)
        is_tie = result == before and len(o.values) == 1
        place = trials[-1].place if is_tie else len(trials)
        trials.append(SourceTrial(o.number, dict(o.trial.params), place))
        before = result
    starts = [o.trial.datetime_start for o in history.complete if o.trial.datetime_start]
    newest = max(starts, default=None)
    return Source(name, history.distributions, tuple(trials), len(history.directions), newest)


# --------------------------------------------------------------------------------------
# Tables


def _of_rows(
    name: str, argument: str, rows: Sequence[Mapping[str, Any]], directions: Sequence[Any]
) -> Source:
    """Read a table: Optuna's own, or a column for each parameter beside ``value``."""
    columns = list(dict.fromkeys(str(c) for row in rows for c in row))
    values = [c for c in columns if c == "value" or c.startswith("values_")]
    if rows and not values:
        raise ConfigurationError(
            f"{argument}: the table has no column 'value' for the objective; its columns are"
            f" {', '.join(columns)}. Rename the one that holds it."
        )
    prefix = _PARAMS if any(c.startswith(_PARAMS) for c in columns) else ""
    parameters = {
        c.removeprefix(prefix): c
        for c in columns
        if c.startswith(prefix) and (prefix or c not in (*_COLUMNS, *values))
    }
    cells = {n: [row.get(c) for row in rows] for n, c in parameters.items()}
    distributions = {n: _spanned(v) for n, v in cells.items() if not all(map(_is_missing, v))}
    trials = []
    for number, row in enumerate(rows):
        given = [row.get(c) for c in values]
        if not all(is_number(v) and np.isfinite(v) for v in given) or not _is_complete(row):
            continue
        params = {n: cells[n][number] for n in distributions if not _is_missing(cells[n][number])}
        trial = create_trial(
            params={n: _native(v) for n, v in params.items()},
            distributions={n: distributions[n] for n in params},
            values=[float(v) for v in given if v is not None],
        )
        trial.number = int(row["number"]) if is_number(row.get("number")) else number
        trial.datetime_start = _datetime(row.get("datetime_start"))
        trials.append(trial)
    return _of_trials(name, trials, directions)


def _is_complete(row: Mapping[str, Any]) -> bool:
    state = row.get("state")
    return state is None or state == TrialState.COMPLETE or str(state).endswith("COMPLETE")


def _is_missing(value: Any) -> bool:
    return value is None or value != value


def _native(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _spanned(cells: Sequence[Any]) -> BaseDistribution:
    """Return the narrowest distribution of a column's values."""
    values = [_native(v) for v in cells if not _is_missing(v)]
    if not all(is_number(v) for v in values):
        return CategoricalDistribution(list(dict.fromkeys(values)))
    low, high = min(values), max(values)
    if all(isinstance(v, int) for v in values):
        return IntDistribution(low, high)
    return FloatDistribution(float(low), float(high))


def _datetime(value: Any) -> datetime | None:
    try:
        # Of a table, whose dates are pandas' own; a missing one is no date.
        return datetime.fromisoformat(str(value)).replace(tzinfo=None)
    except ValueError:
        return None


def _parsed(text: str | None) -> Any:
    """Return what a cell of a CSV file says: a number, a truth value, a text, or nothing."""
    if text is None or not text.strip():
        return None
    if text in ("True", "False"):
        return text == "True"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
