"""How promising configurations are, by a model's forecast and by a statistical surrogate.

The two are pooled logarithmically (Genest and Zidek 1986): the logarithms of both expected
improvements are averaged, the model's with the weight that its track record has earned. So either
of them can say, in proportion to its weight, that a configuration is not worth a trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.model_surrogate import Forecast
from optuna_llm.model_surrogate import TrackRecord
from optuna_llm.prompts.prediction import Prediction
from optuna_llm.scores import BEST_SCORE
from optuna_llm.scores import ScoreScale
from optuna_llm.surrogate.acquisition import log_expected_improvement


if TYPE_CHECKING:
    from optuna_llm.history import History
    from optuna_llm.outlook import Outlook


_LEVELS = (0.16, 0.5, 0.84)
# The interval that is recorded of the chosen configuration, and its half width in deviations.
_INTERVAL = (0.1, 0.5, 0.9)
_INTERVAL_DEVIATIONS = 1.2816
_LEAST_FEASIBLE = 0.5
_TINY = 1e-12


@dataclass(frozen=True)
class Judgement:
    """What is expected of the configurations to choose among.

    Attributes:
        utility: Shape (m,), higher is better, without a unit.
        forecast: The model's, or None if it was not asked.
        told: For the record: ``scale``, ``held_out`` and the ``weight`` of the model.
        intervals: Recalibrated quantiles of the score (m, 3), or None.
    """

    utility: np.ndarray
    forecast: Forecast | None
    told: Mapping[str, Any]
    intervals: np.ndarray | None

    @classmethod
    def of(
        cls,
        configurations: Sequence[Mapping[str, Any]],
        history: History,
        outlook: Outlook,
        scale: ScoreScale,
        *,
        kind: Prediction,
        top_quantile: float,
        forecast: Forecast | None,
    ) -> Judgement:
        """Judge configurations by expected improvement, or by the chance to be a good one.

        Args:
            configurations: Native parameters, m of them.
            history: The study.
            outlook: Its statistical surrogate.
            scale: The scale of the scores.
            kind: ``score``: expected improvement; ``label``: probability to be good.
            top_quantile: Share of the trials that are good.
            forecast: The model's forecast of them, if it was asked.
        """
        feasible = outlook.feasible(configurations)
        utility = np.log(np.maximum(feasible, _TINY))
        # What will probably fail comes last.
        utility -= 1e6 * (feasible < min(_LEAST_FEASIBLE, float(feasible.max())))
        scores = scale.scores(history)
        if not scores:
            return cls(utility, None, {}, None)
        losses = {n: -s for n, s in scores.items()}
        expected = outlook.expected_losses(losses, configurations, _LEVELS)
        tau = float(np.quantile(list(losses.values()), top_quantile))
        value = _log_good(expected, tau) if kind == "label" else _log_improvement(expected)
        if forecast is None:
            return cls(utility + value, None, {}, None)
        held_out = _held_out(history, outlook, losses, forecast)
        record = TrackRecord(history)
        record.add(scores, held_out)
        weight = record.weight()
        known = np.isfinite(forecast.mean)
        mean = np.where(known, forecast.mean, 0.0)
        intervals = None
        if kind == "label":
            own = np.log(np.clip(mean, 1e-6, 1.0))
        else:
            own = _log_improvement(-record.quantiles(mean, forecast.spread, _LEVELS)[:, ::-1])
            intervals = record.quantiles(forecast.mean, forecast.spread, _INTERVAL)
        weights = np.where(known, weight, 0.0)
        pooled = weights * own + (1 - weights) * value
        told = {"scale": scale.to_dict(), "held_out": held_out, "weight": round(weight, 3)}
        return cls(utility + pooled, forecast, told, intervals)

    def record(self, chosen: int) -> dict[str, Any]:
        """Return what is recorded of the chosen configuration."""
        if self.forecast is None:
            return {}
        mean, spread = float(self.forecast.mean[chosen]), float(self.forecast.spread[chosen])
        if self.intervals is None or not np.isfinite(mean):
            return {**self.told, "model": None}
        raw = [mean + sign * _INTERVAL_DEVIATIONS * spread for sign in (-1, 0, 1)]
        return {
            **self.told,
            "model": [mean, spread],
            "interval": [round(float(q), 1) for q in self.intervals[chosen]],
            "raw_interval": [round(q, 1) for q in raw],
        }


def _log_improvement(quantiles: np.ndarray) -> np.ndarray:
    """Return the log expected improvement of losses (minus scores) on the best one."""
    return log_expected_improvement(quantiles, _LEVELS, -BEST_SCORE)


def _log_good(quantiles: np.ndarray, tau: float) -> np.ndarray:
    """Return the log-probability of a loss of at most tau, taken for normal."""
    from scipy.special import log_ndtr
    from scipy.special import ndtri

    deviation = (quantiles[:, -1] - quantiles[:, 0]) / (ndtri(_LEVELS[-1]) - ndtri(_LEVELS[0]))
    return np.asarray(log_ndtr((tau - quantiles[:, 1]) / (deviation + _TINY)))


def _held_out(
    history: History, outlook: Outlook, losses: Mapping[int, float], forecast: Forecast
) -> dict[str, list[float]]:
    """Return what both surrogates say of the trials held out, neither having seen them."""
    numbers = list(forecast.held_out)
    statistical: list[float] = []
    if numbers:
        params = {o.number: o.params for o in history.observations}
        configurations = [params[n] for n in numbers]
        expected = outlook.expected_losses(losses, configurations, (0.5,), without=numbers)
        statistical = [round(-float(loss), 1) for loss in expected[:, 0]]
    return {
        "numbers": [float(n) for n in numbers],
        "model": [forecast.held_out[n] for n in numbers],
        "spread": [forecast.held_out_spread[n] for n in numbers],
        "statistical": statistical,
    }
