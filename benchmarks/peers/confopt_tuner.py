"""ConfOpt (Doyle 2025), by the parts of its own tuner and with that one's defaults."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
import random
from typing import Any

from confopt.selection.acquisition import QuantileConformalSearcher
from confopt.selection.sampling.thompson_samplers import ThompsonSampler
from confopt.tuning import ConformalTuner
from confopt.wrapping import CategoricalRange
from confopt.wrapping import FloatRange
from confopt.wrapping import IntRange
import numpy as np

from benchmarks.peers.worker import Parameter
from benchmarks.peers.worker import Peer


_N_RANDOM = 15


class ConfOpt(Peer):
    """The steps of ``ConformalTuner.tune``: 15 random configurations, then quantile boosting.

    The tuner evaluates by itself; here its steps are taken one by one, so that it can be asked
    and told. Workers beside the first are served from the same model.
    """

    def __init__(self, space: Sequence[Parameter], seed: int, n_trials: int) -> None:
        # ConfOpt draws from the global random numbers.
        random.seed(seed)
        np.random.seed(seed)
        # The objective is never called: its steps are taken one by one.
        ranges = {p.name: _range(p) for p in space}
        self._tuner = ConformalTuner(lambda configuration: 0.0, ranges, minimize=True)
        self._tuner.initialize_tuning_resources()
        self._searcher = QuantileConformalSearcher(
            quantile_estimator_architecture="qgbm",
            sampler=ThompsonSampler(
                n_quantiles=4, adapter="DtACI", enable_optimistic_sampling=False
            ),
            calibration_split_strategy="adaptive",
            n_calibration_folds=5,
            n_pre_conformal_trials=32,
        )
        self._by_model: set[int] = set()

    def propose(self, number: int) -> Mapping[str, Any]:
        """Return a random configuration, or the one with the smallest drawn quantile."""
        manager = self._tuner.config_manager
        configurations = manager.get_searchable_configurations()
        if len(manager.searched_configs) < _N_RANDOM:
            chosen = random.choice(configurations)
        else:
            X = manager.tabularize_configs(manager.searched_configs)
            y = np.array(manager.searched_performances)
            self._tuner.retrain_searcher(self._searcher, X, y, tuning_count=0)
            self._by_model.add(number)
            chosen = self._tuner.select_next_configuration(
                self._searcher, configurations, manager.tabularize_configs(configurations)
            )
        return dict(chosen)

    def observe(self, number: int, params: dict[str, Any], loss: float) -> None:
        """Update the calibration, and add the result."""
        manager = self._tuner.config_manager
        if number in self._by_model:
            row = manager.tabularize_configs([params])
            self._searcher.update(X=row.flatten(), y_true=loss)
        manager.mark_as_searched(params, loss)

    def fail(self, number: int, params: dict[str, Any]) -> None:
        """Ban the configuration."""
        self._tuner.config_manager.add_to_banned_configurations(params)


def _range(p: Parameter) -> Any:
    if p.kind == "categorical":
        return CategoricalRange(choices=list(p.choices))
    kind = IntRange if p.kind == "int" else FloatRange
    return kind(min_value=p.low, max_value=p.high, log_scale=p.log)


build = ConfOpt
