"""The configuration to keep: with noise the one that is expected to be best, not the luckiest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.in_units import MIN_TRIALS
from optuna_llm.expectations.in_units import Forecaster
from optuna_llm.expectations.in_units import usable
from optuna_llm.history.history import History
from optuna_llm.history.repeats import is_noisy
from optuna_llm.history.repeats import repeated
from optuna_llm.reporting.tables import columns
from optuna_llm.reporting.tables import show_value
from optuna_llm.space.numbers import format_number
from optuna_llm.surrogate.online import Recalibration


if TYPE_CHECKING:
    from optuna import Study

    from optuna_llm.history.history import Observation


_LEVELS = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class BestConfiguration:
    """The configuration of a study to keep, and what to expect of it.

    Attributes:
        params: The configuration.
        value: What the objective is expected to return for it.
        interval: Where another evaluation lies in 80 % of the cases; without noise, the value
            twice.
        n_evaluations: How often it was evaluated.
        trial: Number of the trial that evaluated it, of several the best one.
        is_noisy: Whether the objective returns other values for the same parameters.
        observed: The value of that trial.
        metric: Name of the objective.
    """

    params: dict[str, Any]
    value: float
    interval: tuple[float, float]
    n_evaluations: int
    trial: int
    is_noisy: bool
    observed: float
    metric: str = "value"

    def __str__(self) -> str:
        times = "once" if self.n_evaluations == 1 else f"{self.n_evaluations} times"
        head = f"{self.metric} {format_number(self.observed)}, trial {self.trial}"
        if self.is_noisy:
            low, high = map(format_number, self.interval)
            head = (
                f"{self.metric} {format_number(self.value)} expected (80% of further evaluations"
                f" between {low} and {high}), trial {self.trial}, evaluated {times}"
            )
        rows = [(name, show_value(value)) for name, value in self.params.items()]
        return "\n".join([head, *columns(rows)] if rows else [head])


def best_configuration(study: Study) -> BestConfiguration:
    """Return the configuration of a study to keep.

    Where the objective is noisy, the best value that was observed was probably a lucky one. Then
    of all feasible configurations that were tried the one counts whose expected value is best, by
    a surrogate of the whole study that learns from repeats and from neighbours. Without noise it
    is the best trial's. An objective is noisy if equal parameters have had different values; while
    nothing was repeated, if a Gaussian process takes at least a third of the standard deviation of
    all values for noise.

    Any sampler may have run the study.

    Args:
        study: A study with one objective.

    Raises:
        ConfigurationError: There are several objectives, no trial is complete with a finite
            value, or none has met the constraints.
    """
    history = History.from_study(study)
    if history.is_multi_objective:
        raise ConfigurationError(
            f"study={study.study_name!r} has {len(history.directions)} objectives, and no single"
            " best configuration; choose one of study.best_trials."
        )
    found = choose(history)
    if found is None:
        lack = "met the constraints" if usable(history, 0) else "finished with a finite value"
        raise ConfigurationError(
            f"study={study.study_name!r} has no trial that {lack}; run more trials first."
        )
    return found


def choose(history: History) -> BestConfiguration | None:
    """Return the configuration to keep, of a study with one objective; None if there is none."""
    complete = usable(history, 0)
    feasible = [o for o in complete if o.violation <= 0]
    if not feasible:
        return None
    groups = [sorted(group, key=_loss) for group in repeated(feasible)]
    proven, space = is_noisy(complete), history.search_space()
    group = min(groups, key=lambda g: _loss(g[0]))
    forecast = None
    if proven is not False and len(complete) >= MIN_TRIALS and len(space) > 0:
        # The correction along the search is about new proposals. What is known already is as
        # exchangeable with the trials as the surrogate takes it for.
        model = Forecaster(space, complete, 0, Recalibration())
        if proven or model.noise_is_clear:
            means = model.mean_losses([g[0].params for g in groups])
            chosen = int(np.argmin(means))
            group = groups[chosen]
            forecast = model.quantiles([group[0].params], _LEVELS)[0]
    best = group[0]
    observed = best.signs[0] * _loss(best)
    value, interval = observed, (observed, observed)
    if forecast is None and proven and len(group) > 1:
        # Without parameters, or with few trials, the repetitions speak for themselves.
        forecast = np.quantile([best.signs[0] * _loss(o) for o in group], _LEVELS)
    if forecast is not None:
        value, interval = float(forecast[1]), (float(forecast[0]), float(forecast[2]))
    return BestConfiguration(
        dict(best.params),
        value,
        interval,
        len(group),
        best.number,
        bool(proven) or forecast is not None,
        observed,
        history.metric_names[0],
    )


def _loss(o: Observation) -> float:
    assert o.values is not None
    return o.values[0]
