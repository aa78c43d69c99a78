"""Finished trials as examples, and the problem they belong to, for a model that is to predict.

LLAMBO (Liu et al. 2024) shows a model configurations with their results, and lets it go on.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import math
from typing import Any

from optuna_llm.history import History
from optuna_llm.prompts.text import count_lines
from optuna_llm.prompts.text import show_name
from optuna_llm.prompts.text import show_row
from optuna_llm.scores import BEST_SCORE
from optuna_llm.scores import ScoreScale
from optuna_llm.space import SearchSpace


FAILED = "failed"
_LEAST_EXAMPLES = 3


@dataclass(frozen=True)
class Example:
    """A finished trial and what is told of it.

    Attributes:
        params: The configuration.
        result: A score, a label, or :data:`FAILED`, as it is shown.
    """

    params: Mapping[str, Any]
    result: str

    def line(self, space: SearchSpace) -> str:
        """Show the example as a line of the table."""
        missing = "?" if self.result == FAILED else "-"
        return ",".join([*show_row(space, self.params, missing), self.result])


def examples_text(space: SearchSpace, examples: Iterable[Example], *, title: str) -> str:
    """Show examples as a table whose last column is called ``title``."""
    header = ",".join([*map(show_name, space.names), title])
    return "\n".join([header, *(example.line(space) for example in examples)])


def n_fitting(space: SearchSpace, examples: Sequence[Example], token_budget: int) -> int:
    """Return how many of the examples fit into a budget, from the first on; at least three."""
    left = token_budget - count_lines([",".join(map(show_name, space.names))])
    for n, example in enumerate(examples):
        left -= count_lines([example.line(space)])
        if left < 0 and n >= _LEAST_EXAMPLES:
            return n
    return len(examples)


def score_legend(history: History, scale: ScoreScale) -> str:
    """Say in one line what a score is."""
    best = _own(history, scale, BEST_SCORE)
    told = f" ({best})" if best else ""
    return f"score: 1000 is the best so far{told}, 0 a poor one; more than 1000 beats all so far."


def show_score(history: History, scale: ScoreScale, score: float) -> str:
    """Show a score, with the objective's own value where it has one."""
    own = _own(history, scale, score)
    return f"{score:.0f}" + (f", that is {own}" if own else "")


def _own(history: History, scale: ScoreScale, score: float) -> str:
    """Show the objective's own value with digits enough to tell a hundredth of the scale."""
    value = scale.value(history, score)
    if value is None:
        return ""
    # Not of the huge difference of huge results, which overflows: their size is no more than it.
    size = max(abs(scale.best), abs(scale.poor)) / (scale.poor - scale.best)
    digits = 4 + math.ceil(math.log10(size)) if size > 1 else 4
    return f"{value:.{min(digits, 17)}g}"
