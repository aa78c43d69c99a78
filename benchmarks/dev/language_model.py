"""A cost model of training a small language model; the best runs nearly run out of memory.

Nothing is trained: the loss follows the scaling law of Hoffmann et al. 2022 (constants of their
approach 3) for the tokens that fit into a fixed number of floating-point operations, plus
penalties for a learning rate, batch size, warm-up and so on away from usual optima. The larger
the batch, width, depth and context, the lower the loss, until far beyond the accelerator's
memory: the failing region attracts whoever looks at losses alone.
"""

from __future__ import annotations

from collections.abc import Mapping
import math
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from benchmarks.references import Reference
from benchmarks.task import Report
from benchmarks.task import Task
from benchmarks.task import search_reference


SPACE: dict[str, BaseDistribution] = {
    "n_layers": IntDistribution(2, 48, log=True),
    "width": IntDistribution(128, 4096, log=True),
    "head_size": CategoricalDistribution((32, 64, 128)),
    "context_length": IntDistribution(128, 2048, log=True),
    "batch_size": IntDistribution(1, 256, log=True),
    "gradient_accumulation": IntDistribution(1, 8),
    "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
    "warmup_share": FloatDistribution(0.0, 0.3),
    "weight_decay": FloatDistribution(1e-4, 1.0, log=True),
    "beta2": FloatDistribution(0.9, 0.999),
    "dropout": FloatDistribution(0.0, 0.5),
    "schedule": CategoricalDistribution(("cosine", "linear", "constant")),
    "precision": CategoricalDistribution(("float32", "bfloat16")),
    "checkpoint_activations": CategoricalDistribution((False, True)),
}
MEMORY = 12e9
_VOCABULARY = 32_000
_FLOPS = 2e18


class LanguageModel(Task):
    """Train within a fixed number of operations, on an accelerator with 12 GB or without limit.

    A third of the space does not fit. The scale of the regret is the same in both: the median is
    that of the whole space, the best is the best that can be had.
    """

    space = SPACE

    def __init__(self, *, fails: bool = True) -> None:
        self.name = f"language_model/{'12-gb' if fails else 'unlimited'}"
        self._fails = fails

    def loss(self, params: Mapping[str, Any], report: Report | None = None) -> float:
        """Return the validation loss per token.

        Raises:
            MemoryError: The configuration does not fit.
        """
        if self._fails and memory(params) > MEMORY:
            raise MemoryError(f"{memory(params) / 1e9:.1f} GB needed, {MEMORY / 1e9:.0f} there")
        return validation_loss(params)

    def find_reference(self) -> Reference:
        """Search for the best, at random and then around the best."""

        def losses(configurations: list[dict[str, Any]]) -> np.ndarray:
            fits = [not self._fails or memory(c) <= MEMORY for c in configurations]
            values = [validation_loss(c) for c in configurations]
            return np.where(fits, values, np.inf)

        found = search_reference(
            self, losses, n_random=10_000, n_rounds=100, n_parents=100, n_children=10
        )
        drawn = self.draw(np.random.default_rng(1), 2000)
        median = float(np.median([validation_loss(c) for c in drawn]))
        return Reference(found.best, median, found.configuration)


def memory(params: Mapping[str, Any]) -> float:
    """Return the bytes that training needs: weights, gradients, Adam's moments, activations."""
    layers, width = params["n_layers"], params["width"]
    tokens = params["batch_size"] * params["context_length"]
    n_weights = _n_weights(params)
    size = 4 if params["precision"] == "float32" else 2
    heads = max(width // params["head_size"], 1)
    kept = 2 if params["checkpoint_activations"] else 16 + heads * params["context_length"] / width
    activations = tokens * width * layers * kept * size
    logits = tokens * _VOCABULARY * size
    return float(n_weights * (12.0 + size) + activations + logits)


def validation_loss(params: Mapping[str, Any]) -> float:
    """Return the validation loss per token after the budget is spent."""
    n_weights = _n_weights(params)
    speed = 1.0 if params["precision"] == "float32" else 2.0
    speed *= 0.75 if params["checkpoint_activations"] else 1.0
    batch = params["batch_size"] * params["context_length"] * params["gradient_accumulation"]
    # Small batches leave the accelerator idle.
    tokens_at_once = params["batch_size"] * params["context_length"]
    speed *= tokens_at_once / (tokens_at_once + 8_000)
    tokens = _FLOPS * speed / (6 * n_weights)
    value = 1.69 + 406.4 / n_weights**0.34 + 410.7 / tokens**0.28
    # The longer the context, the better the last tokens are predicted.
    value += 2.0 / params["context_length"] ** 0.5
    width, depth = params["width"], params["n_layers"]
    value += 0.03 * math.log2(width / (64 * depth)) ** 2
    best_rate = 3e-3 * (512 / width) ** 0.7 * math.sqrt(min(batch, 500_000) / 100_000)
    distance = math.log10(params["learning_rate"] / best_rate)
    value += 0.25 * distance**2 + (2.0 * max(distance - 0.4, 0.0)) ** 2
    n_steps = tokens / batch
    value += 0.1 * max(math.log10(2000 / n_steps), 0.0) ** 2
    value += 0.02 * math.log10(params["weight_decay"] / 0.1) ** 2
    value += 0.3 * abs(params["warmup_share"] - 0.05) + 0.5 * params["dropout"] ** 1.5
    value += 20 * (params["beta2"] - 0.97) ** 2
    value += {"cosine": 0.0, "linear": 0.01, "constant": 0.06}[params["schedule"]]
    value += {32: 0.01, 64: 0.0, 128: 0.01}[params["head_size"]]
    return float(min(value, 12.0))


def _n_weights(params: Mapping[str, Any]) -> float:
    width = params["width"]
    return float(12 * params["n_layers"] * width**2 + 2 * _VOCABULARY * width)
