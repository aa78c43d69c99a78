"""What an answer must look like: in words, by a pattern, and as a JSON schema."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from typing import Literal

from optuna.distributions import CategoricalDistribution
from optuna.distributions import IntDistribution

from optuna_llm.prompts.roles import ROLES
from optuna_llm.prompts.schema import json_schema
from optuna_llm.prompts.text import MAX_REASON
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import MAX_NAME
from optuna_llm.space.words import letters
from optuna_llm.space.words import quote


Reasoning = Literal["none", "brief", "full"]


@dataclass(frozen=True)
class Beside:
    """What an answer holds beside reasons and parameters.

    Attributes:
        roles: The role of each candidate, and the result that is expected of it.
        n_points: How many points of the statistical optimizer the model is to judge.
        rules: Its rules.
        structure: What it holds usual of each parameter.
    """

    roles: bool = False
    n_points: int = 0
    rules: bool = False
    structure: bool = False


_ANALYSIS = {
    "brief": "one or two sentences: what the history shows and what to try next",
    "full": "think step by step: what the results show for each parameter, which parameters "
    "matter, how they interact, what failed and why, and what to try next",
}
_NOTES = (
    "your notes, at most 150 words: what the history shows, what you have understood of it, and "
    "what to try next; you get the first 1500 characters back at the next request"
)
# In characters; far beyond what is asked for in words.
_MAX_ANALYSIS = {"brief": 500, "full": 6000}
_MAX_NOTES = 1500
_MAX_WHY = 100
_MAX_LABEL = 64
_MAX_RULES = 4
_MAX_NAMES = 3
_OPTIMIZER = (
    "the letters of those of the statistical optimizer's points that are worth a trial, the best "
    "one first; [] for none"
)
_RULES = (
    f"at most {_MAX_RULES} bounds that good configurations keep, of one parameter or of a product "
    "or quotient of several; low or high may be null, both null only show the quantity. The "
    "optimizer draws up to four points for one that keeps them, as long as the best trial keeps "
    "them and results bear them out; they replace your earlier ones"
)
_STRUCTURE = (
    "for each parameter of which you know something, from experience with such problems: its "
    "usual value, the range that you hold plausible, how much depends on it, and with which other "
    "parameters its best value rises or falls"
)


def output_format(
    space: SearchSpace, reasoning: Reasoning, beside: Beside | None = None
) -> list[str]:
    """Say by a pattern and in words what the answer must look like."""
    beside = beside or Beside()
    params = ", ".join(f"{quote(n, MAX_NAME)}: {_placeholder(space, n)}" for n in space.names)
    candidate = f'"reason": <at most {MAX_REASON} characters>, "params": {{{params}}}'
    told: dict[str, str] = {}
    pattern = ""
    if reasoning != "none":
        pattern = '"analysis": <text>, '
        told["analysis"] = _analysis(reasoning, beside)[0]
    if beside.roles:
        candidate = f'"role": <its role>, {candidate}, "expected": <number or null>'
        told["expected"] = "the result that you expect of the candidate"
    pattern += f'"candidates": [{{{candidate}}}, ...]'
    if beside.n_points:
        pattern += ', "optimizer": [<letter>, ...]'
        told["optimizer"] = _OPTIMIZER
    if beside.rules and _numbers(space):
        pattern += ', "rules": [{"multiply": [<parameter>, ...], '
        pattern += '"divide": [<parameter>, ...], "low": <number or null>, '
        pattern += '"high": <number or null>, "why": <a few words>}, ...]'
        told["rules"] = _RULES
    if beside.structure:
        pattern += ', "structure": [{"parameter": <parameter>, "usual": <value>, '
        pattern += '"low": <number or null>, "high": <number or null>, '
        pattern += '"relevance": "high" | "medium" | "low", '
        pattern += '"rises_with": [<parameter>, ...], "falls_with": [<parameter>, ...]}, ...]'
        told["structure"] = _STRUCTURE
    return [
        "OUTPUT FORMAT: one JSON object and nothing else, without comments or code fences:",
        f"{{{pattern}}}",
        *(f"- {name}: {text}" for name, text in told.items()),
    ]


def _analysis(reasoning: Reasoning, beside: Beside) -> tuple[str, int]:
    """Return what the analysis is to be, and how long it may be at most."""
    text, longest = _ANALYSIS[reasoning], _MAX_ANALYSIS[reasoning]
    if not beside.roles:
        return text, longest
    return (_NOTES if reasoning == "brief" else f"{text}. It is {_NOTES}"), max(
        longest, _MAX_NOTES
    )


def _placeholder(space: SearchSpace, name: str) -> str:
    distribution = space.distributions[name]
    kind = "<number>"
    if isinstance(distribution, CategoricalDistribution):
        kind = '"<label>"'
    elif isinstance(distribution, IntDistribution):
        kind = "<integer>"
    return f"{kind} or null" if name in space.optional else kind


def proposal_schema(
    space: SearchSpace, n_candidates: int, reasoning: Reasoning, beside: Beside | None = None
) -> dict[str, Any]:
    """Return the JSON schema of the answer, bounded in all that a model may write."""
    beside = beside or Beside()
    candidate: dict[str, Any] = {
        "reason": _text(f"At most {MAX_REASON} characters.", MAX_REASON),
        "params": json_schema(space),
    }
    if beside.roles:
        role = {"type": "string", "enum": list(ROLES)}
        candidate = {"role": role, **candidate, "expected": {"type": ["number", "null"]}}
    properties: dict[str, Any] = {}
    if reasoning != "none":
        properties["analysis"] = _text(*_analysis(reasoning, beside))
    properties["candidates"] = {
        "type": "array",
        "description": f"Exactly {n_candidates}, in the order of the request.",
        "items": _object(candidate),
        "minItems": n_candidates,
        "maxItems": n_candidates,
    }
    if beside.n_points:
        letter = {"type": "string", "enum": letters(beside.n_points)}
        properties["optimizer"] = _list(_OPTIMIZER, letter, beside.n_points)
    if beside.rules and (numbers := _numbers(space)):
        properties["rules"] = _list(_RULES, _object(_rule(numbers)), _MAX_RULES)
    if beside.structure:
        properties["structure"] = _list(_STRUCTURE, _object(_stated(space)), len(space))
    return _object(properties)


def _numbers(space: SearchSpace) -> list[str]:
    """Return the parameters of which there may be rules.

    Choices that are numbers have an order, and a size.
    """
    return [n for n, k in zip(space.names, space.n_choices, strict=True) if k == 0]


def _rule(numbers: list[str]) -> dict[str, Any]:
    names = _list("Parameters.", {"type": "string", "enum": numbers}, _MAX_NAMES)
    bound = {"type": ["number", "null"]}
    why = _text("A few words.", _MAX_WHY)
    return {"multiply": names, "divide": names, "low": bound, "high": bound, "why": why}


def _stated(space: SearchSpace) -> dict[str, Any]:
    name = {"type": "string", "enum": list(space.names)}
    bound = {"type": ["number", "null"]}
    return {
        "parameter": name,
        "usual": {"type": ["number", "string", "null"], "maxLength": _MAX_LABEL},
        "low": bound,
        "high": bound,
        "relevance": {"type": "string", "enum": ["high", "medium", "low"]},
        "rises_with": _list("Parameters.", name, _MAX_NAMES),
        "falls_with": _list("Parameters.", name, _MAX_NAMES),
    }


def _text(description: str, longest: int) -> dict[str, Any]:
    return {"type": "string", "description": description, "maxLength": longest}


def _list(description: str, items: dict[str, Any], most: int) -> dict[str, Any]:
    return {"type": "array", "description": description, "items": items, "maxItems": most}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
