"""How promising configurations are, by a model's forecast and by a statistical surrogate.

The two are pooled logarithmically (Genest and Zidek 1986): the logarithms of both expected
improvements are averaged, the model's with the weight that its track record has earned. So either
of them can say, in proportion to its weight, that a configuration is not worth a trial.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.expectations.model import Forecast
from optuna_llm.expectations.track_record import TrackRecord
from optuna_llm.history.predictions import Predictions
from optuna_llm.history.scores import ScoreScale
from optuna_llm.prompts import Prediction
from optuna_llm.replies.prediction import INTERVAL_DEVIATIONS
from optuna_llm.surrogate.acquisition import log_expected_improvement


if TYPE_CHECKING:
    from optuna_llm.expectations.outlook import Outlook
    from optuna_llm.history.history import History


_LEVELS = (0.16, 0.5, 0.84)
# The interval that is recorded of the chosen configuration.
_INTERVAL = (0.1, 0.5, 0.9)
_TINY = 1e-12


@dataclass(frozen=True)
class Judgement:
    """What is expected of the configurations to choose among.

    Attributes:
        utility: Shape (m,), higher is better, without a unit.
        forecast: The model's, or None if it was not asked.
        told: For the record: what was predicted of other trials, and the weight of the model.
        intervals: Recalibrated quantiles of the score (m, 3), or None.
    """

    utility: np.ndarray
    forecast: Forecast | None
    told: Predictions
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
        # What will probably fail comes last.
        utility = outlook.log_possible(configurations)
        utility -= 1e6 * outlook.will_fail(configurations)
        scores = scale.scores(history)
        if not scores:
            return cls(utility, None, Predictions(), None)
        losses = {n: -s for n, s in scores.items()}
        if scale.weights or scale.by_violation:
            expected = outlook.expected_losses(losses, configurations, _LEVELS)
        else:
            expected = -scale.score(outlook.quantiles(configurations, _LEVELS))
        best = max(scores.values())
        tau = float(np.quantile(list(losses.values()), top_quantile))
        value = _log_good(expected, tau) if kind == "label" else _log_improvement(expected, best)
        if forecast is None:
            return cls(utility + value, None, Predictions(), None)
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
            told = record.quantiles(mean, forecast.spread, _LEVELS)
            own = _log_improvement(-told[:, ::-1], best)
            intervals = record.quantiles(forecast.mean, forecast.spread, _INTERVAL)
        weights = np.where(known, weight, 0.0)
        pooled = weights * own + (1 - weights) * value
        recorded = Predictions(scale.to_dict(), held_out, round(weight, 3))
        return cls(utility + pooled, forecast, recorded, intervals)

    def predictions(self, chosen: int) -> Predictions:
        """Return what is recorded of the chosen configuration."""
        if self.forecast is None:
            return self.told
        mean, spread = float(self.forecast.mean[chosen]), float(self.forecast.spread[chosen])
        if self.intervals is None or not np.isfinite(mean):
            return self.told
        raw = [mean + sign * INTERVAL_DEVIATIONS * spread for sign in (-1, 0, 1)]
        return replace(
            self.told,
            model=[mean, spread],
            interval=[round(float(q), 1) for q in self.intervals[chosen]],
            raw_interval=[round(q, 1) for q in raw],
        )


def _log_improvement(quantiles: np.ndarray, best: float) -> np.ndarray:
    """Return the log expected improvement of losses (minus scores) on the best score so far."""
    return log_expected_improvement(quantiles, _LEVELS, -best)


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
