"""What the user says about the problem, as the model is told it.

The levels follow Zhang et al. 2023 (arXiv 2312.04528) and LLAMBO (arXiv 2402.03921): nothing, the
metric, the data set, the model, free text. More than a few sentences help only in the first
trials.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields
from dataclasses import replace
import inspect
import textwrap

from optuna_llm.chat import estimate_tokens
from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import Scale
from optuna_llm.prompts.dataset_card import DatasetCard
from optuna_llm.space.numbers import whole_number
from optuna_llm.space.words import quote
from optuna_llm.space.words import quote_prose


MAX_TASK_TOKENS = 300
MAX_CODE_TOKENS = 600
_MAX_CODE = 2400
# The fields that are texts, in the order in which they are told.
_TEXTS = ("metric", "dataset", "model", "hardware", "fixed", "folds", "text", "code")
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
        fixed: What the objective holds constant, such as ``{"early_stopping": 50}``, or in words.
        folds: How a configuration is scored: a number of folds, or words such as "mean of three
            seeds on a held-out fifth".
        code: The objective's source, or the function itself, whose source is read. It is sent to
            the model, up to some 600 tokens of it.
        n_trials: The number of trials that the study will have, as the model is told it.
        scale: Sizes of the problem, a :class:`~optuna_llm.Scale` or a mapping of them; usual
            values move with them. A ``DatasetCard`` has those of the data.

    Raises:
        ConfigurationError: A text is not a string, ``n_trials`` not a positive integer, or
            ``scale`` no sizes.
    """

    text: str | None = None
    metric: str | None = None
    dataset: str | DatasetCard | None = None
    model: str | None = None
    hardware: str | None = None
    n_trials: int | None = None
    fixed: Mapping[str, object] | str | None = None
    folds: int | str | None = None
    code: Callable[..., object] | str | None = None
    scale: Scale | None = None

    def __post_init__(self) -> None:
        if self.scale is not None:
            object.__setattr__(self, "scale", Scale.of(self.scale))
        if isinstance(self.dataset, DatasetCard):
            object.__setattr__(self, "dataset", self.dataset.text)
        if isinstance(self.fixed, Mapping):
            shown = ", ".join(f"{name}={value}" for name, value in self.fixed.items())
            object.__setattr__(self, "fixed", shown or None)
        n_folds = whole_number(self.folds)
        if n_folds is not None:
            if n_folds < 2:
                raise ConfigurationError(
                    f"Task.folds must be at least 2, got {n_folds}; describe another way of "
                    'scoring in words, such as "a held-out fifth".'
                )
            object.__setattr__(self, "folds", f"mean of {n_folds}-fold cross-validation")
        if callable(self.code):
            object.__setattr__(self, "code", _source(self.code))
        for name in _TEXTS:
            value = getattr(self, name)
            if value is not None and not isinstance(value, str):
                raise ConfigurationError(
                    f"Task.{name} must be a string or None, got {value!r:.80}; "
                    "describe it in words."
                )
        n = self.n_trials
        if n is not None and (whole_number(n) or 0) < 1:
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

    def with_budget(self, n_trials: int | None) -> Task:
        """Return this task with a number of trials that was given beside it, if it was.

        Raises:
            ConfigurationError: It is not a positive integer, or the task says another one.
        """
        if n_trials is None:
            return self
        if self.n_trials not in (None, n_trials):
            raise ConfigurationError(
                f"n_trials={n_trials!r:.80} and Task.n_trials={self.n_trials!r} differ; give one"
                " of them."
            )
        return replace(self, n_trials=n_trials)

    @property
    def context(self) -> str | None:
        """What is said of the model and the data, to tell hyperparameters of one name apart."""
        texts = (self.model, self.text, self.dataset)
        return " ".join(str(t) for t in texts if t) or None

    def lines(self) -> list[str]:
        """Return one line of quoted data for each field, at most 300 tokens together.

        The longest field is cut, visibly, until all fit. Code has a line and 600 tokens of its
        own.
        """
        given = {n: value for n in _TEXTS if (value := getattr(self, n)) and value.strip()}
        code = given.pop("code", "")
        if sizes := self._sizes():
            given["size"] = sizes
        limits = dict.fromkeys(given, _MAX_CHARACTERS)
        while True:
            shown = {n: quote_prose(v, limits[n]) for n, v in given.items()}
            costs = {n: estimate_tokens(f"- {n}: {text}") + 1 for n, text in shown.items()}
            if sum(costs.values()) <= MAX_TASK_TOKENS:
                lines = [f"- {n}: {text}" for n, text in shown.items()]
                return [*lines, _code_line(code)] if code else lines
            longest = max(costs, key=lambda n: costs[n])
            limits[longest] = max(int(0.9 * min(limits[longest], len(given[longest]))), 1)

    def _sizes(self) -> str:
        """Return the sizes that the description of the data does not tell already."""
        sizes = {} if self.scale is None else self.scale.sizes
        told = str(self.dataset or "")
        return ", ".join(f"{n} {v:.10g}" for n, v in sizes.items() if f"{v:.10g}" not in told)


def _code_line(code: str) -> str:
    """Show source as one JSON string, its lines and indentation kept, cut visibly if long."""
    limit = _MAX_CODE
    while (
        estimate_tokens(line := f"- code of the objective: {quote(code, limit)}") > MAX_CODE_TOKENS
    ):
        limit = int(0.9 * min(limit, len(code)))
    return line


def _source(function: Callable[..., object]) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError) as error:
        raise ConfigurationError(
            f"Task.code={function!r:.80} has no source that Python can find ({error}); give the "
            "source as a string."
        ) from error
