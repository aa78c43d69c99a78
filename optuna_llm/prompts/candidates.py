"""LLAMBO's candidate sampler p(h | s'): configurations that are to reach given scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from optuna_llm.history import History
from optuna_llm.prompts.few_shot import Example
from optuna_llm.prompts.few_shot import examples_text
from optuna_llm.prompts.history_text import failure_lines
from optuna_llm.prompts.history_text import pending_text
from optuna_llm.prompts.proposal import RULES
from optuna_llm.prompts.proposal import PromptOptions
from optuna_llm.prompts.proposal import output_format
from optuna_llm.prompts.proposal import problem_text
from optuna_llm.space import SearchSpace


if TYPE_CHECKING:
    from optuna_llm.chat import Message


_PENDING_SHARE = 0.2


def candidate_messages(
    space: SearchSpace,
    history: History,
    options: PromptOptions,
    *,
    examples: Sequence[Example],
    legend: str,
    targets: Sequence[str],
) -> list[Message]:
    """Ask for one configuration for each of several scores to be reached.

    Args:
        space: The parameters.
        history: The study; its failed and running trials are shown beside the examples.
        options: Task and descriptions; ``reasoning`` is what the model writes first.
        examples: Configurations with their scores, in the order in which they are to be shown.
        legend: What a score is, in one line.
        targets: The scores to be reached, in words.
    """
    pending = pending_text(space, history, token_budget=int(_PENDING_SHARE * options.token_budget))
    count = "1 candidate" if len(targets) == 1 else f"{len(targets)} candidates"
    request = [
        f"REQUEST: propose exactly {count}, clearly different from each other and from all above."
        " Candidate i is the configuration that you expect to reach the i-th of these scores:",
        *(f"{i}. {target}" for i, target in enumerate(targets, start=1)),
        "Answer with the JSON object only.",
    ]
    parts = [
        problem_text(space, history, options),
        "\n".join(output_format(space, options.reasoning)),
        "\n".join(failure_lines(space, history)),
        f"FINISHED TRIALS (best last). {legend}\n" + examples_text(space, examples, title="score"),
        pending,
        "\n".join(request),
    ]
    return [
        {"role": "system", "content": "\n".join(RULES)},
        {"role": "user", "content": "\n\n".join(part for part in parts if part)},
    ]
