"""Finished trials as examples, and LLAMBO's candidate sampler p(h | s') that goes on from them.

LLAMBO (Liu et al. 2024) shows a model configurations with their results: to predict other results
(:mod:`optuna_llm.prompts.prediction`), or to propose configurations that reach given scores.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import itertools
import math
from typing import TYPE_CHECKING
from typing import Any

import numpy as np

from optuna_llm.history.history import History
from optuna_llm.history.scores import BEST_SCORE
from optuna_llm.history.scores import LOWEST_SCORE
from optuna_llm.history.scores import ScoreScale
from optuna_llm.prompts.answer import output_format
from optuna_llm.prompts.conditions import Begun
from optuna_llm.prompts.failures import failure_lines
from optuna_llm.prompts.failures import telling_failures
from optuna_llm.prompts.history_text import pending_text
from optuna_llm.prompts.proposal import PromptOptions
from optuna_llm.prompts.proposal import problem_text
from optuna_llm.prompts.proposal import system_message
from optuna_llm.prompts.proposal import trials_left
from optuna_llm.prompts.text import count_lines
from optuna_llm.prompts.text import show_row
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import counted
from optuna_llm.space.words import show_name


if TYPE_CHECKING:
    from optuna_llm.chat import Message


FAILED = "failed"
_PENDING_SHARE = 0.2
_LEAST_EXAMPLES = 3
_N_BEST, _N_LAST = 10, 4
# Targets go no further beyond the best score than these are apart: the best quarter of the trials,
# at least three of them. Without any spread it is this much.
_GOOD_SHARE, _MIN_GOOD, _LEAST_REACH = 0.25, 3, 10.0


@dataclass(frozen=True)
class Example:
    """A finished trial and what is told of it.

    Attributes:
        params: The configuration.
        result: A score, a label, or :data:`FAILED`, as it is shown.
        cells: How a failed one is shown, see :class:`~optuna_llm.prompts.conditions.Begun`.
    """

    params: Mapping[str, Any]
    result: str
    cells: Sequence[str] = ()

    def line(self, space: SearchSpace) -> str:
        """Show the example as a line of the table."""
        return ",".join([*(self.cells or show_row(space, self.params, "-")), self.result])


def failed_examples(space: SearchSpace, history: History, result: str = FAILED) -> list[Example]:
    """Return the failed trials that tell the most as examples, the newest one first."""
    begun = Begun(space, history)
    return [Example(o.intended, result, begun.cells(o)) for o in telling_failures(space, history)]


def candidate_examples(
    space: SearchSpace,
    history: History,
    scores: Mapping[int, float],
    *,
    rng: np.random.Generator,
    token_budget: int,
) -> list[Example]:
    """Return the best, some failed, the last and some other trials, as many as fit.

    Args:
        space: The parameters.
        history: The study.
        scores: Of its finished trials, by number.
        rng: Random numbers of the trial.
        token_budget: The most tokens that they may take.

    Returns:
        The failed ones first, then from the worst to the best.
    """
    params = {o.number: o.params for o in history.observations}
    wanted = sorted(scores, key=lambda n: -scores[n])[:_N_BEST]
    wanted += [n for n in list(scores)[-_N_LAST:] if n not in wanted]
    rest = [n for n in scores if n not in wanted]
    wanted += [rest[i] for i in rng.permutation(len(rest))]
    told = [(scores[n], Example(params[n], f"{scores[n]:.0f}")) for n in wanted]
    told[_N_BEST:_N_BEST] = [(-math.inf, e) for e in failed_examples(space, history)]
    n = n_fitting(space, [example for _, example in told], token_budget)
    return [example for _, example in sorted(told[:n], key=lambda pair: pair[0])]


def examples_text(space: SearchSpace, examples: Iterable[Example], *, title: str) -> str:
    """Show examples as a table whose last column is called ``title``."""
    header = ",".join([*map(show_name, space.names), title])
    return "\n".join([header, *(example.line(space) for example in examples)])


def examples_heading(
    n_shown: int, history: History, order: str, legend: str, *, others: str = ""
) -> str:
    """Return the line above examples: how many of the trials they are, in which order, and more.

    Args:
        n_shown: The number of examples.
        history: The study.
        order: Their order, in words.
        legend: What their results say.
        others: What becomes of trials that are not shown, in words.
    """
    n_trials = history.n_ranked + len(history.failures_of_parameters)
    share = f"{n_shown} of {n_trials}, " if n_shown < n_trials else ""
    others = f"; {others}" if share and others else ""
    return f"FINISHED TRIALS ({share}{order}{others}). {legend}"


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
    good = _own(history, scale, BEST_SCORE)
    told = f" ({good})" if good else ""
    best = show_score(history, scale, scale.best_score(history))
    return (
        f"score: higher is better. 1000 is a good result{told}, 0 a poor one, "
        f"{LOWEST_SCORE:.0f} the lowest, however bad; best so far: {best}."
    )


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


def plausible_targets(
    scores: Sequence[float], alpha: float, n: int, noise: float = 0.0
) -> list[float]:
    """Return n scores to be reached, within what is plausible by those reached so far.

    Different ones are no closer to each other than noise: an order below it means nothing.

    Args:
        scores: Those of all trials.
        alpha: How far beyond the best one to go at most, in units of the score's scale; on its
            other side if negative.
        n: How many.
        noise: The standard deviation of scores of one configuration; 0 where it is not known.
    """
    best_first = sorted(scores, reverse=True) or [BEST_SCORE]
    n_good = min(max(_MIN_GOOD, math.ceil(_GOOD_SHARE * len(best_first))), len(best_first))
    spread = max(best_first[0] - best_first[n_good - 1], _LEAST_REACH)
    reach = math.copysign(min(abs(alpha) * BEST_SCORE, spread), alpha)
    n_apart = min(max(int(abs(reach) / noise), 1), n) if noise > 0 else n
    return [best_first[0] + reach * (1 - (i * n_apart // n) / n_apart) for i in range(n)]


def candidate_messages(
    space: SearchSpace,
    history: History,
    options: PromptOptions,
    *,
    examples: Sequence[Example],
    legend: str,
    targets: Sequence[str],
    trial_number: int,
    noise: str = "",
) -> list[Message]:
    """Ask for one configuration for each of several scores to be reached.

    Args:
        space: The parameters.
        history: The study; what failed is summed up, and running trials are shown.
        options: Task and descriptions; ``reasoning`` is what the model writes first.
        examples: Configurations with their scores, in the order in which they are to be shown.
        legend: What a score is, in one line.
        targets: The scores to be reached, in words, equal ones together.
        trial_number: The number of the trial that the answer is for.
        noise: What is known of noise, in words.
    """
    pending = pending_text(space, history, token_budget=int(_PENDING_SHARE * options.token_budget))
    left = trials_left(options.task.n_trials, trial_number)
    has_failed = any(example.result == FAILED for example in examples)
    order = "failed ones first, best last" if has_failed else "best last"
    request = [
        f"REQUEST for trial {trial_number}{left}.",
        f"Propose exactly {counted(len(targets), 'candidate')}, none of them the same as another "
        "or as one above; how far apart they are is yours to choose. "
        "Candidate i is the configuration that you expect to reach the score of number i:",
        *_numbered(targets),
    ]
    request.append("Answer with the JSON object only.")
    parts = [
        problem_text(space, history, options),
        "\n".join(output_format(space, options.reasoning)),
        "\n".join(failure_lines(space, history)),
        examples_heading(len(examples), history, order, legend),
        examples_text(space, examples, title="score"),
        f"- {noise}" if noise else "",
        pending,
        "\n".join(request),
    ]
    return [
        system_message(space, options),
        {"role": "user", "content": "\n\n".join(part for part in parts if part)},
    ]


def _numbered(targets: Sequence[str]) -> Iterator[str]:
    """Yield a line for each target: "1. 1100", or "1 to 3. 1100" where it is that of several."""
    first = 1
    for target, group in itertools.groupby(targets):
        last = first + len(list(group)) - 1
        yield f"{first}. {target}" if first == last else f"{first} to {last}. {target}"
        first = last + 1
