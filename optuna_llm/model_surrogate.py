"""A language model as the surrogate of Bayesian optimisation, and how far it is believed.

LLAMBO (Liu et al. 2024, section 4) lets a model predict from examples, in a different order each
time, and takes mean and deviation of its answers. Their paper finds these deviations too small,
and small models that repeat one number. So some finished trials are held out of the examples and
asked about, too: the errors there and at earlier proposals recalibrate the predictions (conformal
prediction), and whether they were put in the right order decides how much the model counts.
"""

from __future__ import annotations

from collections.abc import Callable
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
from optuna_llm.history import History
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts.few_shot import FAILED
from optuna_llm.prompts.few_shot import Example
from optuna_llm.prompts.few_shot import n_fitting
from optuna_llm.prompts.few_shot import score_legend
from optuna_llm.prompts.prediction import Prediction
from optuna_llm.prompts.prediction import parse_labels
from optuna_llm.prompts.prediction import parse_scores
from optuna_llm.prompts.prediction import prediction_messages
from optuna_llm.prompts.prediction import score_schema
from optuna_llm.scores import ScoreScale
from optuna_llm.space import SearchSpace
from optuna_llm.surrogate.conformal import shrunk_score_quantiles


if TYPE_CHECKING:
    from optuna_llm.chat import Completion
    from optuna_llm.chat import Message


Ask = Callable[["list[Message]", "dict[str, Any] | None", "int | None"], "Completion"]

# Trials held out of the examples; with fewer finished trials than this none is.
_MAX_HELD_OUT = 5
_MIN_TRIALS_TO_HOLD_OUT = 6
_N_BEST_EXAMPLES = 4
_N_LAST_EXAMPLES = 2
_N_FAILED_EXAMPLES = 3
_TOP_LOGPROBS = 5
# Answers are remembered from this many trials; errors at proposals from more, since each trial
# gives one only. With enough of those, the held-out trials' no longer count.
_MEMORY = 10
_MAX_ERRORS = 40
_ENOUGH_PROPOSALS = 20
_HELD_OUT_KEYS = ("numbers", "model", "spread", "statistical")
# Pairs of held-out trials without which nothing is known of the model; then it counts half.
_MIN_PAIRS = 6
_UNKNOWN_WEIGHT = 0.5
# The deviation that a model is taken to have before it has erred, in units of the score.
_EXPECTED_ERROR = 300.0


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
        spread: Shape (m,), their standard deviation; 0 where there is one only.
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
    ) -> Forecast:
        """Ask the model; what it has answered before an error counts.

        Args:
            ask: Sends messages, with a schema and a number of log-probabilities or without.
            space: The parameters.
            history: The study.
            options: Task and descriptions.
            scale: The scale of the scores.
            questions: What to ask about.
            rng: Random numbers of the trial.
        """
        scores = scale.scores(history)
        params = {o.number: o.params for o in history.observations}
        asked = [*questions.candidates, *(params[n] for n in questions.held_out)]
        shown = self._examples(space, history, scores, questions, rng)
        legend = score_legend(history, scale)
        if self.kind == "label":
            bar = f"{round(100 * self.top_quantile)} %"
            legend = f"label: 1 for the best {bar} of the trials, 0 for the others."
        groups = [[i] for i in range(len(asked))] if self.one_by_one else [range(len(asked))]
        answers = np.full((self.n_templates * self.n_samples, len(asked)), np.nan)
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
                    row[group] = self._answer(ask, messages, len(group), completions)
        except OptunaLLMError as error:
            requests -= isinstance(error, BudgetExceededError)  # It was not sent.
            return self._summed(answers, questions, completions, requests, error)
        return self._summed(answers, questions, completions, requests, None)

    def _answer(
        self,
        ask: Ask,
        messages: list[Message],
        n_questions: int,
        completions: list[Completion],
    ) -> list[float]:
        """Send one request; return a number for each question, NaN where there is none."""
        if self.kind == "label":
            completions.append(ask(messages, None, _TOP_LOGPROBS))
            found = parse_labels(completions[-1], n_questions)
        else:
            completions.append(ask(messages, score_schema(n_questions), None))
            found = parse_scores(completions[-1].text, n_questions)
        return [math.nan if value is None else value for value in found]

    def _summed(
        self,
        answers: np.ndarray,
        questions: Questions,
        completions: Sequence[Completion],
        requests: int,
        error: OptunaLLMError | None,
    ) -> Forecast:
        n = np.isfinite(answers).sum(axis=0)
        total = np.nansum(answers, axis=0)
        mean = np.where(n > 0, total / np.maximum(n, 1), np.nan)
        squares = np.nansum((answers - mean) ** 2, axis=0)
        spread = np.sqrt(squares / np.maximum(n - 1, 1))
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
        failed = [Example(o.params, worst) for o in history.failed[-_N_FAILED_EXAMPLES:]]
        examples = [told(n) for n in wanted[:_N_BEST_EXAMPLES]] + failed
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
    points = np.nan_to_num(space.one_hot(space.coordinates(params[n] for n in known)), nan=0.5)
    wanted = np.nan_to_num(space.one_hot(space.coordinates(asked)), nan=0.5)
    distances = ((wanted[:, None, :] - points[None, :, :]) ** 2).sum(axis=2)
    return list(dict.fromkeys(known[i] for i in distances.argmin(axis=1)))


def hold_out(scores: Mapping[int, float], rng: np.random.Generator) -> list[int]:
    """Choose trials to hold out: one at random from each of up to five ranges of scores."""
    if len(scores) < _MIN_TRIALS_TO_HOLD_OUT:
        return []
    # The best one is what every example is measured by.
    ordered = sorted(scores, key=lambda n: -scores[n])[1:]
    n = min(_MAX_HELD_OUT, len(scores) // 3)
    return [int(rng.choice(part)) for part in np.array_split(ordered, n)]


# --------------------------------------------------------------------------------------
# What is known of the model


@dataclass(frozen=True)
class _Evidence:
    """Held-out trials of one request: what came of them, and what was predicted."""

    observed: np.ndarray
    model: np.ndarray
    statistical: np.ndarray


class TrackRecord:
    """How a model's predictions have compared with what was then observed.

    Args:
        history: The study; the records of its trials hold the predictions.
    """

    def __init__(self, history: History) -> None:
        self._evidence: list[_Evidence] = []
        self._proposal_errors: list[tuple[float, float]] = []
        self._held_out_errors: list[tuple[float, float]] = []
        # A study with one objective has the same losses on the scales of all its trials.
        losses: dict[tuple[tuple[float, ...], bool], dict[int, float]] = {}
        for o in reversed(history.observations):
            told = o.record.surrogate if o.record is not None else {}
            if not told:
                continue
            scale = ScoreScale.from_dict(told["scale"])
            kind = (scale.weights, scale.by_violation)
            if kind not in losses:
                losses[kind] = scale.losses(history)
            asked = (*map(int, told["held_out"]["numbers"]), o.number)
            scores = {n: scale.score(losses[kind][n]) for n in asked if n in losses[kind]}
            if len(self._evidence) < _MEMORY:
                self.add(scores, told["held_out"])
            if o.number in scores and told["model"] is not None:
                mean, spread = told["model"]
                self._proposal_errors.append((scores[o.number] - mean, spread))
            if len(self._proposal_errors) >= _MAX_ERRORS:
                break

    def add(self, scores: Mapping[int, float], held_out: Mapping[str, Sequence[float]]) -> None:
        """Add what was predicted of held-out trials.

        Args:
            scores: What was observed, by trial number.
            held_out: Lists ``numbers``, ``model``, ``spread`` and ``statistical`` of one length.
        """
        told = zip(*(held_out[k] for k in _HELD_OUT_KEYS), strict=True)
        rows = [(scores[int(n)], *row) for n, *row in told if int(n) in scores]
        if rows:
            observed, model, spread, statistical = np.array(rows, dtype=float).T
            self._evidence.append(_Evidence(observed, model, statistical))
            self._held_out_errors += list(zip(observed - model, spread, strict=True))

    def weight(self) -> float:
        """Return how much the model counts against the statistical surrogate, from 0 to 1.

        By the squares of their rank correlations (Kendall's, within the trials held out of one
        request, over the last ten trials); of the model's the standard deviation that guessing
        would have is taken off. So 0 for a model that repeats one value, copies from its
        examples, guesses, or has the order wrong.
        """
        model = [_concordance(e.observed, e.model) for e in self._evidence]
        statistical = [_concordance(e.observed, e.statistical) for e in self._evidence]
        pairs = sum(n for _, n in model)
        if pairs < _MIN_PAIRS:
            return _UNKNOWN_WEIGHT
        sizes = [len(e.observed) for e in self._evidence]
        # The variance of concordant minus discordant pairs of k items in random order.
        guessing = math.sqrt(sum(k * (k - 1) * (2 * k + 5) / 18 for k in sizes)) / pairs
        own = max(sum(c for c, _ in model) / pairs - guessing, 0.0) ** 2
        other = max(sum(c for c, _ in statistical) / pairs, 0.0) ** 2
        return own / (own + other) if own > 0 else 0.0

    def quantiles(
        self, mean: np.ndarray, spread: np.ndarray, levels: Sequence[float]
    ) -> np.ndarray:
        """Return conformal quantiles of scores that a model has predicted.

        The model's errors, in units of a width that grows with the deviation of its answers, are
        added to its predictions.

        Args:
            mean: Of the model's answers, shape (m,).
            spread: Their standard deviations, shape (m,).
            levels: Quantile levels in (0, 1), increasing.

        Returns:
            Shape (m, levels).
        """
        errors = self._proposal_errors
        if len(errors) < _ENOUGH_PROPOSALS:
            errors = [*errors, *self._held_out_errors[: _MAX_ERRORS - len(errors)]]
        known = np.array(errors, dtype=float).reshape(-1, 2)
        # With two pseudo-errors of zero mean and the expected size, against too few real ones.
        bias = np.sum(known[:, 0]) / (len(known) + 2)
        squares = np.sum((known[:, 0] - bias) ** 2) + 2 * _EXPECTED_ERROR**2
        typical = math.sqrt(squares / (len(known) + 2))
        scores = (known[:, 0] - bias) / np.hypot(known[:, 1], typical)
        offsets = shrunk_score_quantiles(scores, np.asarray(levels))
        width = np.hypot(spread, typical)
        return np.asarray((mean + bias)[:, None] + width[:, None] * offsets)


def _concordance(observed: np.ndarray, predicted: np.ndarray) -> tuple[float, int]:
    """Return concordant minus discordant pairs, and the number of pairs that differ."""
    i, j = np.triu_indices(len(observed), 1)
    true = np.sign(observed[i] - observed[j])
    return float(np.sum(true * np.sign(predicted[i] - predicted[j]))), int(np.sum(true != 0))
