"""How far a language model's predictions are believed: by what then came of the trials.

The errors at earlier proposals and at held-out trials recalibrate the predictions (conformal
prediction); whether held-out trials were put in the right order decides how much the model counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math

import numpy as np

from optuna_llm.history.history import History
from optuna_llm.history.scores import ScoreScale
from optuna_llm.surrogate.conformal import shrunk_score_quantiles


# Answers are remembered from this many trials; errors at proposals from more, since each trial
# gives one only. With enough of those, the held-out trials' no longer count.
_MEMORY = 10
_MAX_ERRORS = 40
_ENOUGH_PROPOSALS = 20
_HELD_OUT_KEYS = ("numbers", "model", "spread", "statistical")
_TRIALS_IN_VAIN, _TRIALS_OF_SILENCE = 4, 20
# Pairs of held-out trials without which nothing is known of the model; then it counts half.
_MIN_PAIRS = 6
_UNKNOWN_WEIGHT = 0.5
# The deviation that a model is taken to have before it has erred, in units of the score.
_EXPECTED_ERROR = 300.0


@dataclass(frozen=True)
class _Evidence:
    """Held-out trials of one request: what came of them, and what was predicted."""

    observed: np.ndarray
    model: np.ndarray
    statistical: np.ndarray


def is_given_up(history: History, number: int) -> bool:
    """Say whether a model is not asked to predict at a trial, because that has been in vain.

    After four trials in a row without any weight it is left alone for twenty, and then asked once
    more.

    Args:
        history: The study.
        number: The number of the trial.
    """
    asked = [o for o in history.observations if o.predictions.scale][-_TRIALS_IN_VAIN:]
    in_vain = len(asked) == _TRIALS_IN_VAIN and not any(o.predictions.weight for o in asked)
    return in_vain and number <= asked[-1].number + _TRIALS_OF_SILENCE


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
            told = o.predictions
            if not told.scale:
                continue
            scale = ScoreScale.from_dict(told.scale)
            kind = (scale.weights, scale.by_violation)
            if kind not in losses:
                losses[kind] = scale.losses(history)
            asked = (*map(int, told.held_out["numbers"]), o.number)
            scores = {n: float(scale.score(losses[kind][n])) for n in asked if n in losses[kind]}
            if len(self._evidence) < _MEMORY:
                self.add(scores, told.held_out)
            if o.number in scores and told.model is not None:
                mean, spread = told.model
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
        proposals = np.array(self._proposal_errors, dtype=float).reshape(-1, 2)
        others = np.array(self._held_out_errors, dtype=float).reshape(-1, 2)
        # What is chosen for what is expected of it disappoints more than trials held out do, so
        # its own errors count first; two pseudo-errors stand against too few real ones.
        n_held_out = 0 if len(proposals) >= _ENOUGH_PROPOSALS else _MAX_ERRORS - len(proposals)
        others = others[:n_held_out]
        bias_held_out = np.sum(others[:, 0]) / (len(others) + 2)
        bias = (np.sum(proposals[:, 0]) + 2 * bias_held_out) / (len(proposals) + 2)
        known = np.vstack([proposals - [bias, 0], others - [bias_held_out, 0]])
        squares = np.sum(known[:, 0] ** 2) + 2 * _EXPECTED_ERROR**2
        typical = math.sqrt(squares / (len(known) + 2))
        scores = known[:, 0] / np.hypot(known[:, 1], typical)
        offsets = shrunk_score_quantiles(scores, np.asarray(levels))
        width = np.hypot(spread, typical)
        return np.asarray((mean + bias)[:, None] + width[:, None] * offsets)


def _concordance(observed: np.ndarray, predicted: np.ndarray) -> tuple[float, int]:
    """Return concordant minus discordant pairs, and the number of pairs that differ."""
    i, j = np.triu_indices(len(observed), 1)
    true = np.sign(observed[i] - observed[j])
    return float(np.sum(true * np.sign(predicted[i] - predicted[j]))), int(np.sum(true != 0))
