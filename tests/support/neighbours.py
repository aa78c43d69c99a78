"""A stand-in for a language model that reads examples in a prompt and goes on from them.

It proposes near the best examples, and predicts by the nearest ones, with noise: a known response
function behind the whole path of text, both ways. All that it knows stands in the prompt.
"""

from __future__ import annotations

from collections.abc import Callable
import itertools
import json
import math
import re
from typing import Any

import numpy as np

from tests.support.models import random_value
from tests.support.models import schema_of
from tests.support.server import Answer


Predict = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]

_N_NEIGHBOURS = 3
_NOISE = 40.0
# Of the ranges that it names; they hold its noise, but not its errors.
_HALF_RANGE = 50.0


class Neighbours:
    """The model; an instance is a script for :class:`tests.support.server.ChatServer`.

    Args:
        seed: Seed of its noise.
        predict: What it predicts, by default the nearest examples' mean with noise: a function
            of the examples' features (n, d), their results (n,) and the questions (m, d).
        logprobs: Whether it tells log-probabilities when it is asked to.
    """

    def __init__(
        self, seed: int = 0, *, predict: Predict | None = None, logprobs: bool = True
    ) -> None:
        self._rng = np.random.default_rng([seed, 7])
        self._predict = predict or self._by_neighbours
        self._logprobs = logprobs
        self.kinds: list[str] = []

    def __call__(self, request: dict[str, Any]) -> Answer:
        """Answer a request for candidates, for scores or for labels."""
        text = request["messages"][-1]["content"]
        kind = next((k for k in ("score", "label") if f"PREDICT the {k} of each:" in text), "")
        self.kinds.append(kind or "candidates")
        if not kind:
            return self._propose(request, text)
        head, tail = text.split(f"PREDICT the {kind} of each:")
        examples = table(head, kind)[1]
        _, *questions = (line.split(",") for line in tail.split("\n\n")[0].strip().splitlines())
        results = np.array([_number(row[-1]) for row in examples])
        features = _features([row[:-1] for row in examples] + [row[1:] for row in questions])
        known = np.isfinite(results)
        n = len(examples)
        predicted = self._predict(features[:n][known], results[known], features[n:])
        letters = [row[0] for row in questions]
        if kind == "score":
            ranges = predicted[:, None] + _HALF_RANGE * np.array([-1, 1])
            told = {k: ends.round(1).tolist() for k, ends in zip(letters, ranges, strict=True)}
            return json.dumps({"scores": told})
        return self._labels(letters, np.clip(predicted, 0.01, 0.99), request)

    def _labels(self, letters: list[str], chances: np.ndarray, request: dict[str, Any]) -> Answer:
        content = [
            (f"{letter}: ", str(int(chance > 0.5)), "\n")
            for letter, chance in zip(letters, chances, strict=True)
        ]
        answer = {"content": "".join("".join(parts) for parts in content)}
        if not (self._logprobs and request.get("logprobs")):
            return answer
        entries = []
        for (name, label, end), chance in zip(content, chances, strict=True):
            told = {"1": math.log(chance), "0": math.log(1 - chance)}
            top = [{"token": t, "logprob": v} for t, v in told.items()]
            for token in (name, label, end):
                entry = {"token": token, "logprob": 0.0, "top_logprobs": []}
                if token == label:
                    entry = {"token": token, "logprob": told[label], "top_logprobs": top}
                entries.append(entry)
        return {**answer, "logprobs": {"content": entries}}

    def _propose(self, request: dict[str, Any], text: str) -> str:
        asked = re.search(r"exactly (\d+) ", text)
        n = int(asked[1]) if asked else 1
        properties = schema_of(request)["properties"]
        names, examples = table(text, "score")
        best = [dict(zip(names, row[:-1], strict=True)) for row in examples[-3:]]
        candidates = []
        for i in range(n):
            params = {k: random_value(s, self._rng) for k, s in properties.items()}
            if best:
                centre = best[-1 - i % len(best)]
                params = {k: self._near(properties[k], v, centre[k]) for k, v in params.items()}
            candidates.append({"reason": f"candidate {i}", "params": params})
        return json.dumps({"candidates": candidates})

    def _near(self, schema: dict[str, Any], drawn: Any, shown: str) -> Any:
        """Move a value a quarter of the way to a drawn one, or keep it."""
        if self._rng.random() < 0.4:
            return shown if "enum" in schema else _number(shown)
        if "enum" in schema:
            return drawn if self._rng.random() < 0.2 else shown
        value = _number(shown)
        if not math.isfinite(value):
            return drawn
        if "log scale" in schema["description"]:
            moved = value * (drawn / value) ** 0.25 if value > 0 < drawn else value
        else:
            moved = value + 0.25 * (drawn - value)
        return round(moved) if "integer" in schema["type"] else moved

    def _by_neighbours(
        self, known: np.ndarray, results: np.ndarray, new: np.ndarray
    ) -> np.ndarray:
        if len(known) == 0:
            return np.zeros(len(new))
        distance = np.abs(new[:, None, :] - known[None, :, :]).sum(axis=2)
        near = np.argsort(distance, axis=1)[:, :_N_NEIGHBOURS]
        scale = 1.0 if results.max() <= 1 else _NOISE
        noise = self._rng.normal(0, 0.05 if scale == 1.0 else _NOISE, len(new))
        return np.asarray(results[near].mean(axis=1) + noise)


def table(text: str, title: str) -> tuple[list[str], list[list[str]]]:
    """Return the parameters and the rows of the table whose last column has a title."""
    lines = iter(text.splitlines())
    for line in lines:
        if line.endswith(f",{title}"):
            rows = itertools.takewhile(bool, lines)
            return line.split(",")[:-1], [row.split(",") for row in rows]
    return [], []


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _features(rows: list[list[str]]) -> np.ndarray:
    """Scale columns to [0, 1], positive ones of wide range by their logarithm; words by code."""
    columns: list[np.ndarray] = []
    for column in zip(*rows, strict=True):
        values = np.array([_number(v) for v in column])
        if not np.isfinite(values).all():
            codes = {v: i for i, v in enumerate(sorted(set(column)))}
            values = np.array([float(codes[v]) for v in column])
        elif values.min() > 0 and values.max() > 30 * values.min():
            values = np.log(values)
        columns.append((values - values.min()) / (np.ptp(values) or 1.0))
    return np.stack(columns, axis=1)
