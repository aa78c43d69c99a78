"""What ``optuna-llm estimate`` does: rehearse a run to see what a model would be asked, and cost.

Nothing is looked up in a table and nothing is sent: the sampler itself runs a study of the size
asked for, with a stand-in for the model that answers each request at full length. How often a
model is asked depends on what its proposals are worth, so there are two rehearsals: with a
stand-in that is always wrong, and with one that knows the optimum.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import json
import re
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import RandomSampler

from optuna_llm.chat import Completion
from optuna_llm.chat import Usage
from optuna_llm.chat import estimate_tokens
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import cost_of
from optuna_llm.reporting.tables import columns
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from collections.abc import Callable

    from optuna_llm.chat import Message
    from optuna_llm.sharing.model_sampler import ModelSampler


# One parameter in four is a choice, and the names are as long as names are.
_KINDS: tuple[tuple[str, BaseDistribution], ...] = (
    ("learning_rate", FloatDistribution(1e-5, 1e-1, log=True)),
    ("num_layers", IntDistribution(1, 16)),
    ("dropout", FloatDistribution(0.0, 0.9)),
    ("activation", CategoricalDistribution(("relu", "gelu", "tanh", "silu"))),
)
_OPTIMUM, _WORST, _SPREAD = 0.3, 1.0, 0.05
_PROSE = "A lower rate with more layers, because the best trials so far lean that way. " * 10
_MAX_TEXT = 300


@dataclass(frozen=True)
class Estimate:
    """What a run would use.

    Attributes:
        requests: Answers asked for.
        prompt_tokens: Tokens read by the model, the schema of the answer included.
        completion_tokens: Tokens written by the model, hidden reasoning excepted.
    """

    requests: int
    prompt_tokens: int
    completion_tokens: int

    def cost(self, prices: Prices | None) -> float | None:
        """Return the price of the tokens, or None without prices."""
        return cost_of(Usage(self.prompt_tokens, self.completion_tokens), prices)


def estimate(
    n_trials: int, n_params: int, make_sampler: Callable[..., ModelSampler]
) -> tuple[Estimate, Estimate]:
    """Return what a run uses with a model that is of no use, and with the most useful one.

    Args:
        n_trials: Trials of the study.
        n_params: Parameters of the search space.
        make_sampler: The class of the sampler, or a function with the same arguments.
    """
    space = SearchSpace(
        {f"{_KINDS[i % 4][0]}_{i // 4}": _KINDS[i % 4][1] for i in range(n_params)}
    )
    useless, useful = (
        _rehearse(space, n_trials, make_sampler, _StandIn(space, centre))
        for centre in (_WORST, _OPTIMUM)
    )
    return useless, useful


def describe(estimates: tuple[Estimate, Estimate], prices: Prices | None) -> str:
    """Return both ends of an estimate as text for a terminal."""
    rows = [["if the model's proposals", "requests", "prompt tokens", "completion tokens", "cost"]]
    for name, found in zip(("do not help", "always help"), estimates, strict=True):
        cost = found.cost(prices)
        numbers = (found.requests, found.prompt_tokens, found.completion_tokens)
        rows.append([name, *(f"{n:,}" for n in numbers), "?" if cost is None else f"{cost:.4g}"])
    lines = columns(rows)
    if prices is None:
        lines += ["", "No price is known; give --prices, or --model with LiteLLM installed."]
    return "\n".join(lines)


def _rehearse(
    space: SearchSpace, n_trials: int, make_sampler: Callable[..., ModelSampler], model: _StandIn
) -> Estimate:
    sampler = make_sampler(
        model,
        # It changes no prompt's length, and the model that knows the optimum is always better.
        base_sampler=RandomSampler(seed=0),
        search_space=space.distributions,
        seed=0,
    )
    study = optuna.create_study(sampler=sampler)
    for _ in range(n_trials):
        trial = study.ask(dict(space.distributions))
        study.tell(trial, _loss(space, trial.params))
    spent = sampler.spending(study)
    return Estimate(spent.requests, spent.prompt_tokens, spent.completion_tokens)


def _loss(space: SearchSpace, params: Mapping[str, Any]) -> float:
    """Return a smooth loss; each parameter matters less than the one before it."""
    scale = np.where(space.n_choices > 0, space.n_choices - 1, 1)
    distance = space.coordinates([params])[0] / scale - _OPTIMUM
    return float(np.sum(0.8 ** np.arange(len(space)) * distance**2))


class _StandIn:
    """A model that answers every schema, at full length, with configurations around one point.

    Args:
        space: The search space; values of its parameters are legal ones.
        centre: The point, the same in every unit coordinate.
    """

    name = "stand-in"

    def __init__(self, space: SearchSpace, centre: float) -> None:
        self._space = space
        self._centre = centre
        self._rng = np.random.default_rng(0)

    def complete(
        self,
        messages: Sequence[Message],
        *,
        schema: dict[str, Any] | None = None,
        max_output_tokens: int | None = None,
    ) -> Completion:
        """Answer with all that the schema asks for."""
        text = json.dumps(self._filled(schema or {}))
        said = itertools.chain((m["content"] for m in messages), [json.dumps(schema)])
        usage = Usage(sum(map(estimate_tokens, said)), estimate_tokens(text), estimated=True)
        return Completion(text, self.name, usage, None, 0.0, 1, "json_schema", "stop")

    def _filled(self, schema: Mapping[str, Any]) -> Any:
        """Return what a schema asks for: objects and lists in full, texts as long as allowed."""
        kind = schema.get("type")
        described = schema.get("description", "")
        if kind == "object":
            properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
            proposed = self._configuration()
            return {
                name: self._space.label(name, proposed[name])
                if "enum" in inner and name in proposed
                else proposed.get(name, self._filled(inner))
                for name, inner in properties.items()
            }
        if kind == "array":
            number = re.search(r"\d+", described)
            return [self._filled(schema["items"]) for _ in range(int(number[0]) if number else 1)]
        if kind == "string":
            limit = re.search(r"\d+", described)
            return _PROSE[: int(limit[0]) if limit else _MAX_TEXT]
        return round(float(self._rng.random()), 3)

    def _configuration(self) -> dict[str, Any]:
        unit = self._centre + _SPREAD * self._rng.normal(size=len(self._space))
        n_choices = self._space.n_choices
        place = np.clip(unit, 0.0, 1.0)
        index = np.round(place * np.maximum(n_choices - 1, 0))
        return self._space.configuration(np.where(n_choices > 0, index, place))
