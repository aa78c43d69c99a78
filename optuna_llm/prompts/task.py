"""What the user says about the problem, as the model is told it.

The levels follow Zhang et al. 2023 (arXiv 2312.04528) and LLAMBO (arXiv 2402.03921): nothing, the
metric, the data set, the model, free text. More than a few sentences help only in the first
trials.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields

from optuna_llm.errors import ConfigurationError
from optuna_llm.prompts.dataset_card import DatasetCard
from optuna_llm.prompts.text import estimate_tokens
from optuna_llm.prompts.text import quote_prose


MAX_TASK_TOKENS = 300
_MAX_CHARACTERS = 1600


@dataclass(frozen=True)
class Task:
    """The problem in the user's words; everything is optional.

    Args:
        text: Free text.
        metric: What is measured, and how.
        dataset: Size, features, classes, peculiarities of the data, in words or as a
            :class:`~optuna_llm.prompts.DatasetCard`.
        model: What is trained.
        hardware: What it runs on; memory is what matters.
        n_trials: The number of trials that the study will have, as the model is told it.

    Raises:
        ConfigurationError: A text is not a string, or ``n_trials`` not a positive integer.
    """

    text: str | None = None
    metric: str | None = None
    dataset: str | DatasetCard | None = None
    model: str | None = None
    hardware: str | None = None
    n_trials: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.dataset, DatasetCard):
            object.__setattr__(self, "dataset", self.dataset.text)
        for name in ("text", "metric", "dataset", "model", "hardware"):
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(
                    f"Task.{name} must be a string or None, got {value!r:.80}; "
                    "describe it in words."
                )
        n = self.n_trials
        if n is not None and (not isinstance(n, int) or isinstance(n, bool) or n < 1):
            raise ConfigurationError(
                f"Task.n_trials must be a positive integer or None, got {n!r:.80}; "
                "give the number of trials that you will run."
            )

    @classmethod
    def of(cls, task: str | Task | Mapping[str, object] | None) -> Task:
        """Accept a task, free text, a mapping of the fields, or nothing.

        Raises:
            ConfigurationError: It is something else, or the mapping has an unknown key.
        """
        if task is None:
            return cls()
        if isinstance(task, cls):
            return task
        if isinstance(task, str):
            return cls(text=task)
        names = [f.name for f in fields(cls)]
        if not isinstance(task, Mapping):
            raise ConfigurationError(
                f"task must be a string, a Task, a mapping or None, got {task!r:.80}; "
                f"a mapping may have the keys {', '.join(names)}."
            )
        unknown = [key for key in task if key not in names]
        if unknown:
            raise ConfigurationError(
                f"task has the unknown key {unknown[0]!r:.80}; known are {', '.join(names)}."
            )
        return cls(**task)  # type: ignore[arg-type]  # checked in __post_init__

    @property
    def context(self) -> str | None:
        """What is said of the model and the data, to tell hyperparameters of one name apart."""
        texts = (self.model, self.text, self.dataset)
        return " ".join(str(t) for t in texts if t) or None

    def lines(self) -> list[str]:
        """Return one line of quoted data for each field, at most 300 tokens together.

        The longest field is cut, visibly, until all fit.
        """
        given = {
            name: value
            for name in ("metric", "dataset", "model", "hardware", "text")
            if (value := getattr(self, name)) and value.strip()
        }
        limits = dict.fromkeys(given, _MAX_CHARACTERS)
        while True:
            shown = {n: quote_prose(v, limits[n]) for n, v in given.items()}
            costs = {n: estimate_tokens(f"- {n}: {text}") + 1 for n, text in shown.items()}
            if sum(costs.values()) <= MAX_TASK_TOKENS:
                return [f"- {n}: {text}" for n, text in shown.items()]
            longest = max(costs, key=lambda n: costs[n])
            limits[longest] = max(int(0.9 * min(limits[longest], len(given[longest]))), 1)
