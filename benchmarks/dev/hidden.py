"""Three objectives that no reader can know: names and ranges are real, the optimum is drawn.

They are for whoever answers as the language model (:mod:`benchmarks.dev.reader`): what is usual of
a parameter helps, but how far the optimum lies from there, which parameters matter, which of them
depend on each other and which choices are good follows from a seed. One fails where memory runs
out, one is conditional, one is noisy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.task import Condition
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import search_reference
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.space.search_space import SearchSpace


# Standard deviation of an optimum around the usual value, as a share of the range.
_AWAY = 0.15
# The largest part of the loss that a choice may cost, and that all numbers cost far away.
_CHOICE, _NUMBERS = 0.15, 1.0
_REFERENCE = {"n_random": 4000, "n_rounds": 30, "n_parents": 40, "n_children": 10}


@dataclass(frozen=True)
class _Form:
    """What is public of an objective.

    Attributes:
        space: The parameters.
        conditions: The conditions of conditional ones.
        best, poor: The loss at the optimum, and about that of a bad configuration.
        noise: The standard deviation of results, as a share of the distance of these two.
        memory: Parameters with the powers in which they need memory.
        told: What the user says of the problem.
    """

    space: dict[str, BaseDistribution]
    best: float
    poor: float
    told: dict[str, str]
    conditions: Mapping[str, Condition]
    noise: float = 0.0
    memory: Mapping[str, float] | None = None


_FORMS = {
    "memory": _Form(
        {
            "learning_rate": FloatDistribution(1e-6, 1e-2, log=True),
            "batch_size": IntDistribution(4, 256, log=True),
            "max_length": IntDistribution(64, 1024, log=True),
            "unfrozen_layers": IntDistribution(1, 24),
            "warmup_ratio": FloatDistribution(0.0, 0.3),
            "weight_decay": FloatDistribution(1e-4, 1.0, log=True),
            "dropout": FloatDistribution(0.0, 0.5),
            "label_smoothing": FloatDistribution(0.0, 0.3),
            "lr_scheduler_type": CategoricalDistribution(("linear", "cosine", "constant")),
            "pooling": CategoricalDistribution(("cls", "mean", "max")),
        },
        0.31,
        0.95,
        {
            "model": "a pretrained encoder with 24 layers, fine-tuned to classify documents",
            "metric": "log-loss on the validation set",
            "hardware": "one accelerator with 16 GB",
        },
        {},
        memory={"batch_size": 1.0, "max_length": 1.2, "unfrozen_layers": 0.7},
    ),
    "families": _Form(
        {
            "family": CategoricalDistribution(("boosting", "network", "linear")),
            "n_estimators": IntDistribution(20, 2000, log=True),
            "learning_rate": FloatDistribution(1e-3, 1.0, log=True),
            "max_depth": IntDistribution(1, 14),
            "subsample": FloatDistribution(0.2, 1.0),
            "n_layers": IntDistribution(1, 6),
            "width": IntDistribution(8, 1024, log=True),
            "learning_rate_init": FloatDistribution(1e-5, 1e-1, log=True),
            "activation": CategoricalDistribution(("relu", "tanh", "logistic")),
            "C": FloatDistribution(1e-4, 1e4, log=True),
            "scaling": CategoricalDistribution(("none", "standard", "quantile")),
        },
        0.082,
        0.45,
        {
            "model": "boosting, a network or a linear model in one pipeline",
            "metric": "error rate by five-fold cross-validation",
            "dataset": "6,000 rows, 24 numeric features, 4 classes",
        },
        {
            **dict.fromkeys(
                ("n_estimators", "learning_rate", "max_depth", "subsample"),
                ("family", ("boosting",)),
            ),
            **dict.fromkeys(
                ("n_layers", "width", "learning_rate_init", "activation"),
                ("family", ("network",)),
            ),
            "C": ("family", ("linear",)),
        },
    ),
    "noisy": _Form(
        {
            "learning_rate": FloatDistribution(1e-5, 1e-2, log=True),
            "gamma": FloatDistribution(0.9, 0.9999),
            "gae_lambda": FloatDistribution(0.8, 1.0),
            "clip_range": FloatDistribution(0.05, 0.5),
            "ent_coef": FloatDistribution(1e-5, 0.1, log=True),
            "n_steps": IntDistribution(64, 4096, log=True),
            "n_epochs": IntDistribution(1, 20),
            "vf_coef": FloatDistribution(0.1, 1.0),
        },
        -820.0,
        -40.0,
        {
            "model": "PPO on a locomotion task, 300,000 steps of the environment",
            "metric": "minus the mean return of the last 20 episodes; another seed each time",
        },
        {},
        noise=0.05,
    ),
}
NAMES = tuple(_FORMS)


class HiddenTask(Task):
    """One of the objectives, with everything that is hidden drawn from a seed.

    Args:
        name: One of :data:`NAMES`.
        seed: Of what is hidden, and of the noise.
    """

    def __init__(self, name: str, seed: int) -> None:
        self.name = f"hidden/{name}-{seed}"
        self._form = _FORMS[name]
        self.space = self._form.space
        self.conditions = self._form.conditions
        self.told = self._form.told
        rng = np.random.default_rng([seed, NAMES.index(name)])
        self._noise = np.random.default_rng([seed, 99])
        usual = EmbeddedPrior().default(self.space)
        names = [n for n, d in self.space.items() if not isinstance(d, CategoricalDistribution)]
        self._numbers = SearchSpace({n: self.space[n] for n in names})
        (centre,) = self._numbers.coordinates([usual])
        self._centre = np.clip(rng.normal(centre, _AWAY), 0.05, 0.95)
        # A few parameters matter much, most of them little; some depend on each other.
        weights = rng.permutation(np.geomspace(30.0, 0.3, len(names)))
        mixing = np.eye(len(names)) + np.triu(
            rng.normal(0, 0.5, (len(names), len(names))) * (rng.random((len(names),) * 2) < 0.15),
            k=1,
        )
        self._curvature = np.sqrt(weights)[:, None] * mixing
        self._choices = {
            n: dict(
                zip(d.choices, rng.permutation(np.linspace(0, 1, len(d.choices))), strict=True)
            )
            for n, d in self.space.items()
            if isinstance(d, CategoricalDistribution)
        }
        self._limit = self._memory(self._numbers.configuration(self._centre)) * rng.uniform(
            0.5, 1.5
        )

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the loss as it is measured.

        Raises:
            MemoryError: The configuration does not fit.
        """
        if self.needs_too_much(params):
            needed = 16 * self._memory(params) / self._limit
            raise MemoryError(f"out of memory: {needed:.1f} GB needed, 16 GB there")
        span = self._form.poor - self._form.best
        return self.truth(params) + self._form.noise * span * float(self._noise.normal())

    def truth(self, params: Mapping[str, Any]) -> float:
        """Return the loss without noise."""
        (x,) = self._numbers.coordinates([params])
        away = self._curvature @ np.nan_to_num(x - self._centre)
        squares = float(away @ away)
        cost = _NUMBERS * squares / (1 + squares)
        cost += _CHOICE * sum(c[params[n]] for n, c in self._choices.items() if n in params)
        return float(self._form.best + (self._form.poor - self._form.best) * cost)

    def needs_too_much(self, params: Mapping[str, Any]) -> bool:
        """Whether a configuration does not fit into memory."""
        return self._memory(params) > self._limit

    def _memory(self, params: Mapping[str, Any]) -> float:
        powers = self._form.memory or {}
        return math.prod(params[n] ** power for n, power in powers.items()) if powers else 0.0

    def is_feasible(self, params: Mapping[str, Any]) -> bool:
        """Whether a configuration fits."""
        return not self.needs_too_much(params)

    def find_reference(self) -> Reference:
        """Search for the best, at random and then around the best, without noise."""

        def losses(configurations: list[dict[str, Any]]) -> np.ndarray:
            truths = [self.truth(c) if self.is_feasible(c) else math.inf for c in configurations]
            return np.array(truths)

        return search_reference(self, losses, **_REFERENCE)
