"""What ``optuna-llm check`` does: ask a model once, as a sampler would, and tell what it said."""

from __future__ import annotations

from dataclasses import dataclass
import json
import math
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection

from optuna_llm.chat.client import Settings
from optuna_llm.chat.prices import cost_of
from optuna_llm.chat.prices import prices_of
from optuna_llm.chat.reply import excerpt
from optuna_llm.history.history import History
from optuna_llm.prompts import PromptOptions
from optuna_llm.prompts import Task
from optuna_llm.prompts import proposal_messages
from optuna_llm.prompts import proposal_schema
from optuna_llm.replies.repair import repair
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.reporting.tables import columns
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from collections.abc import Mapping

    from optuna_llm.chat import ChatModel
    from optuna_llm.chat import Completion


N_CANDIDATES = 3
_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
# A parameter of every kind, with names that every model has read about.
SPACE = SearchSpace(
    {
        "learning_rate": FloatDistribution(1e-3, 0.5, log=True),
        "max_depth": IntDistribution(2, 12),
        "subsample": FloatDistribution(0.3, 1.0, step=0.1),
        "booster": CategoricalDistribution(("gbtree", "gblinear", "dart")),
    }
)
_TASK = Task(text="XGBoost on a table with 10,000 rows", metric="log-loss")
_MODES = {
    "json_schema": "json_schema (the server takes the schema, and the answer follows it)",
    "json_object": "json_object (the server takes it, and the answer is JSON as the prompt says)",
    "text": "text (nothing enforces the form; the prompt asks for it)",
}
_NOT_FOLLOWED = "{} (the server takes it and does not enforce it: {})"


@dataclass(frozen=True)
class Check:
    """What one request has shown.

    Attributes:
        name: The model that was asked for.
        completion: Its answer.
        cost: Price of the answer, or None if no price is known.
        usable: Number of configurations in the answer that hold a usable value.
        problems: What had to be repaired, dropped or filled in, a line each.
        refused: What the server did not take: parameters of the request, forms of the answer.
        breach: Where the answer is not of the form that was asked for; "" where it is.
        timeout: Seconds that a sampler with default arguments waits.
    """

    name: str
    completion: Completion
    cost: float | None
    usable: int
    problems: tuple[str, ...]
    refused: tuple[str, ...]
    breach: str = ""
    timeout: float = Settings.timeout

    @property
    def works(self) -> bool:
        """Whether a sampler could have used the answer."""
        return self.usable > 0

    def __str__(self) -> str:
        answer = self.completion
        source = "estimated" if answer.usage.estimated else "as the server reports"
        requests = f" in {answer.attempts} HTTP requests" if answer.attempts > 1 else ""
        form = _MODES[answer.mode]
        if self.breach and answer.mode != "text":
            form = _NOT_FOLLOWED.format(answer.mode, self.breach)
        slow = ""
        if answer.seconds > self.timeout / 2:
            # With room for the longer prompts of a study.
            slow = f"; a sampler needs timeout={math.ceil(3 * answer.seconds)}, deadline beyond"
        rows = [
            ["model", f"{self.name}, answered by {answer.model}"],
            ["answer form", form],
            ["refused by the server", ", ".join(self.refused) or "nothing"],
            ["latency", f"{answer.seconds:.2f} s{requests}{slow}"],
            [
                "tokens",
                f"{answer.usage.prompt_tokens:,} prompt + {answer.usage.completion_tokens:,}"
                f" completion, {source}",
            ],
            ["cost", "not known" if self.cost is None else f"{self.cost:.4g}"],
            ["candidates", f"{self.usable} usable, {N_CANDIDATES} asked for"],
        ]
        if answer.finish_reason == "length":
            rows.append(["cut off", "the answer ran out of output tokens"])
        lines = columns(rows)
        lines += [f"  - {problem}" for problem in self.problems]
        if not self.works:
            lines += ["", f"No configuration was found in the answer: {excerpt(answer.text)}"]
        return "\n".join(lines)


def check_model(model: ChatModel) -> Check:
    """Ask a model for configurations, once, with the prompt and the schema of ``LLMSampler``.

    Raises:
        optuna_llm.errors.ModelSetupError: It can never answer as set up.
        optuna_llm.errors.ModelError: It did not answer this time.
    """
    options = PromptOptions(task=_TASK)
    history = History((StudyDirection.MINIMIZE,), ("log-loss",), (), SPACE.distributions)
    messages = proposal_messages(
        SPACE, history, options, n_candidates=N_CANDIDATES, advice=None, trial_number=0
    )
    schema = proposal_schema(SPACE, N_CANDIDATES, options.reasoning)
    completion = model.complete(messages, schema=schema)
    repairs = [repair(SPACE, p.params) for p in parse_proposals(completion.text, SPACE)]
    problems = [f"candidate {i}: {v}" for i, r in enumerate(repairs, 1) for v in r.violations]
    return Check(
        model.name,
        completion,
        cost_of(completion.usage, prices_of(model)),
        usable=sum(bool(r.params) for r in repairs),
        problems=tuple(problems),
        # A function or a model of the user's own has no dialect to learn.
        refused=getattr(model, "refused", ()),
        breach=_breach(completion.text, schema),
        timeout=getattr(model, "timeout", Settings.timeout),
    )


def _breach(text: str, schema: Mapping[str, Any]) -> str:
    """Say where an answer is not of the form that was asked for, or nothing."""
    try:
        return _difference(json.loads(text), schema, "the answer")
    except (ValueError, RecursionError):
        return "the answer is not JSON"


def _difference(value: Any, schema: Mapping[str, Any], name: str) -> str:
    """Say how a value differs from a schema of the kind that proposals have, or nothing."""
    types = schema.get("type", [])
    kinds = tuple(_TYPES[t] for t in ([types] if isinstance(types, str) else types))
    if kinds and (not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds)):
        return f"{name} is no {' or '.join([types] if isinstance(types, str) else types)}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{name} is none of its choices"
    parts: list[tuple[Any, Mapping[str, Any], str]] = []
    if isinstance(value, dict):
        known = schema.get("properties", {})
        missing = [n for n in schema.get("required", ()) if n not in value]
        if missing:
            return f"{name} has no {missing[0]!r}"
        if schema.get("additionalProperties") is False and value.keys() - known.keys():
            return f"{name} has {min(value.keys() - known.keys())!r} beside"
        parts = [(v, known[n], n) for n, v in value.items() if n in known]
    elif isinstance(value, list):
        parts = [(v, schema.get("items", {}), f"{name}[{i}]") for i, v in enumerate(value)]
    return next(filter(None, (_difference(*part) for part in parts)), "")
