"""A language model as the surrogate of Bayesian optimisation.

LLAMBO (Liu et al. 2024, section 4) lets a model predict from examples, in a different order each
time, and takes mean and deviation of its answers. Their paper finds these deviations too small,
and small models that repeat one number. So some finished trials are held out of the examples and
asked about, too: :mod:`optuna_llm.expectations.track_record` tells from them how far the model is
believed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import itertools
import math
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.history.history import History
from optuna_llm.history.scores import BEST_SCORE
from optuna_llm.history.scores import LOWEST_SCORE
from optuna_llm.history.scores import ScoreScale
from optuna_llm.prompts import FAILED
from optuna_llm.prompts import Example
from optuna_llm.prompts import Prediction
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import failed_examples
from optuna_llm.prompts import n_fitting
from optuna_llm.prompts import prediction_messages
from optuna_llm.prompts import prediction_schema
from optuna_llm.prompts import score_legend
from optuna_llm.prompts.text import show_row
from optuna_llm.replies.prediction import Guess
from optuna_llm.replies.prediction import parse_labels
from optuna_llm.replies.prediction import parse_scores
from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from optuna_llm.chat import Completion
    from optuna_llm.chat import Message


Ask = Callable[["list[Message]", "dict[str, Any] | None", "int | None"], "Completion"]

# Trials held out of the examples; with fewer finished trials than this none is.
_MAX_HELD_OUT = 5
_MIN_TRIALS_TO_HOLD_OUT = 6
_N_BEST_EXAMPLES = 4
_N_LAST_EXAMPLES = 2
_TOP_LOGPROBS = 5


@dataclass(frozen=True)
class Questions:
    """What a model is asked about.

    Attributes:
        candidates: The configurations to choose among, native values, m of them.
        held_out: Numbers of finished trials that are asked about as if they were unknown.
    """

    candidates: Sequence[Mapping[str, Any]]
    held_out: Sequence[int] = ()


@dataclass(frozen=True)
class Forecast:
    """What a model expects: scores, or probabilities to be a good configuration.

    Attributes:
        mean: Shape (m,), the mean of its answers for each candidate; NaN without an answer.
        spread: Shape (m,), the standard deviation that its ranges and the differences between its
            answers stand for; 0 for a single number.
        held_out: The mean of its answers for each trial held out, by number; those it answered.
        held_out_spread: Their standard deviations.
        completions: The replies.
        requests: Requests sent, a failed one included.
        error: Why there are no more replies, or None.
    """

    mean: np.ndarray
    spread: np.ndarray
    held_out: dict[int, float] = field(default_factory=dict)
    held_out_spread: dict[int, float] = field(default_factory=dict)
    completions: tuple[Completion, ...] = ()
    requests: int = 0
    error: OptunaLLMError | None = None


@dataclass(frozen=True)
class ModelSurrogate:
    """How a model is asked to predict.

    Attributes:
        kind: ``score``, LLAMBO's discriminative surrogate, or ``label``, its generative one.
        n_templates: Orders in which the examples are shown, one after the other.
        n_samples: Answers for each order.
        one_by_one: One request for each configuration, as in the paper, not one for all.
        top_quantile: Share of the trials that are good ones.
        token_budget: Tokens of the examples in one request.
    """

    kind: Prediction
    n_templates: int
    n_samples: int
    one_by_one: bool
    top_quantile: float
    token_budget: int

    def forecast(
        self,
        ask: Ask,
        space: SearchSpace,
        history: History,
        options: PromptOptions,
        scale: ScoreScale,
        questions: Questions,
        rng: np.random.Generator,
    ) -> Forecast | None:
        """Ask the model; what it has answered before an error counts.

        Nothing is asked about a candidate that reads like a finished trial, whose result stands
        in the table.

        Args:
            ask: Sends messages, with a schema and a number of log-probabilities or without.
            space: The parameters.
            history: The study.
            options: Task and descriptions.
            scale: The scale of the scores.
            questions: What to ask about.
            rng: Random numbers of the trial.

        Returns:
            None where there is no candidate to ask about.
        """
        scores = scale.scores(history)
        params = {o.number: o.params for o in history.observations}
        asked = [*questions.candidates, *(params[n] for n in questions.held_out)]
        known = {_as_read(space, params[n]) for n in scores}
        m = len(questions.candidates)
        new = [i for i in range(m) if _as_read(space, asked[i]) not in known]
        if not new:
            return None
        wanted = [*new, *range(m, len(asked))]
        shown = self._examples(space, history, scores, questions, rng)
        legend = score_legend(history, scale)
        if self.kind == "label":
            bar = f"{round(100 * self.top_quantile)} %"
            legend = f"label: 1 for the best {bar} of the trials, 0 for others and failed ones."
        groups = [[i] for i in wanted] if self.one_by_one else [wanted]
        best = max(scores.values(), default=BEST_SCORE)
        # The means and the spreads of each answer.
        answers = np.full((self.n_templates * self.n_samples, 2, len(asked)), np.nan)
        completions: list[Completion] = []
        requests = 0
        orders = [rng.permutation(len(shown)) for _ in range(self.n_templates)]
        sweep = itertools.product(orders, range(self.n_samples))
        try:
            for row, (order, _) in zip(answers, sweep, strict=True):
                for group in groups:
                    messages = prediction_messages(
                        space,
                        history,
                        options,
                        kind=self.kind,
                        examples=[shown[i] for i in order],
                        legend=legend,
                        questions=[asked[i] for i in group],
                    )
                    requests += 1
                    row[:, group] = self._answer(ask, messages, len(group), best, completions)
        except OptunaLLMError as error:
            requests -= isinstance(error, BudgetExceededError)  # It was not sent.
            return self._summed(answers, questions, completions, requests, error)
        return self._summed(answers, questions, completions, requests, None)

    def _answer(
        self,
        ask: Ask,
        messages: list[Message],
        n_questions: int,
        best: float,
        completions: list[Completion],
    ) -> np.ndarray:
        """Send one request; return the mean and the spread of each question, shape (2, questions).

        NaN where there is none.
        """
        schema = prediction_schema(self.kind, n_questions, best)
        if self.kind == "label":
            completions.append(ask(messages, schema, _TOP_LOGPROBS))
            labels = parse_labels(completions[-1], n_questions)
            found = [None if label is None else Guess(label) for label in labels]
        else:
            completions.append(ask(messages, schema, None))
            found = parse_scores(completions[-1].text, n_questions, LOWEST_SCORE)
        return np.transpose([guess or Guess(math.nan, math.nan) for guess in found])

    def _summed(
        self,
        answers: np.ndarray,
        questions: Questions,
        completions: Sequence[Completion],
        requests: int,
        error: OptunaLLMError | None,
    ) -> Forecast:
        means, spreads = answers.transpose(1, 0, 2)
        n = np.isfinite(means).sum(axis=0)
        mean = np.where(n > 0, np.nansum(means, axis=0) / np.maximum(n, 1), np.nan)
        between = np.nansum((means - mean) ** 2, axis=0) / np.maximum(n - 1, 1)
        spread = np.sqrt(between + np.nansum(spreads**2, axis=0) / np.maximum(n, 1))
        m = len(questions.candidates)
        known = [(k, m + i) for i, k in enumerate(questions.held_out) if n[m + i]]
        return Forecast(
            mean[:m],
            spread[:m],
            {k: float(mean[i]) for k, i in known},
            {k: float(spread[i]) for k, i in known},
            tuple(completions),
            requests,
            error,
        )

    def _examples(
        self,
        space: SearchSpace,
        history: History,
        scores: Mapping[int, float],
        questions: Questions,
        rng: np.random.Generator,
    ) -> list[Example]:
        """Return the examples that fit: the best, those nearest to the questions, the last."""
        params = {o.number: o.params for o in history.observations}
        known = [n for n in scores if n not in questions.held_out]
        wanted = sorted(known, key=lambda n: -scores[n])[:_N_BEST_EXAMPLES]
        wanted += [n for n in _nearest(space, params, known, questions) if n not in wanted]
        wanted += [n for n in known[-_N_LAST_EXAMPLES:] if n not in wanted]
        rest = [n for n in known if n not in wanted]
        wanted += [rest[i] for i in rng.permutation(len(rest))]
        good = np.quantile(list(scores.values()), 1 - self.top_quantile) if scores else math.inf

        def told(number: int) -> Example:
            label = str(int(scores[number] >= good))
            shown = label if self.kind == "label" else f"{scores[number]:.0f}"
            return Example(params[number], shown)

        worst = "0" if self.kind == "label" else FAILED
        examples = [told(n) for n in wanted[:_N_BEST_EXAMPLES]]
        examples += failed_examples(space, history, worst)
        examples += [told(n) for n in wanted[_N_BEST_EXAMPLES:]]
        return examples[: n_fitting(space, examples, self.token_budget)]


def _nearest(
    space: SearchSpace,
    params: Mapping[int, Mapping[str, Any]],
    known: Sequence[int],
    questions: Questions,
) -> list[int]:
    """Return the known trials next to each question, without repetition."""
    if not known:
        return []
    asked = [*questions.candidates, *(params[n] for n in questions.held_out)]
    encode = Encoding(space).features
    points = np.nan_to_num(encode(space.coordinates(params[n] for n in known)), nan=0.5)
    wanted = np.nan_to_num(encode(space.coordinates(asked)), nan=0.5)
    distances = ((wanted[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    return list(dict.fromkeys(known[i] for i in distances.argmin(axis=1)))


def _as_read(space: SearchSpace, params: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a configuration as a model reads it: four digits of each number."""
    return tuple(show_row(space, params, "-"))


def read_alike(space: SearchSpace, history: History) -> set[int]:
    """Return the numbers of trials that a model cannot tell from another one with a result."""
    rows = {o.number: _as_read(space, o.params) for o in history.ranking}
    counts = Counter(rows.values())
    return {number for number, row in rows.items() if counts[row] > 1}


def hold_out(
    scores: Mapping[int, float], rng: np.random.Generator, told: Collection[int] = ()
) -> list[int]:
    """Choose trials to hold out: one at random from each of up to five ranges of scores.

    Args:
        scores: Those of all trials, by number.
        rng: Random numbers of the trial.
        told: Numbers of trials whose results the others tell.
    """
    if len(scores) < _MIN_TRIALS_TO_HOLD_OUT:
        return []
    # The best one is what every example is measured by.
    ordered = [n for n in sorted(scores, key=lambda n: -scores[n])[1:] if n not in told]
    n = min(_MAX_HELD_OUT, len(scores) // 3, len(ordered))
    if n == 0:
        return []
    return [int(rng.choice(part)) for part in np.array_split(ordered, n)]
