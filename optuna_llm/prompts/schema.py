"""The search space as the JSON schema of an answer."""

from __future__ import annotations

from typing import Any

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.space.choices import labels
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import describe


def json_schema(space: SearchSpace) -> dict[str, Any]:
    """Return the JSON schema of one configuration; an optional parameter may be null.

    Ranges stand in the descriptions as well: some providers refuse ``minimum`` and ``maximum``,
    and then get the schema without them. Choices stand in ``enum`` alone.
    """
    properties: dict[str, Any] = {}
    for name, distribution in space.distributions.items():
        kind: dict[str, Any]
        if isinstance(distribution, CategoricalDistribution):
            kind = {"type": "string", "enum": list(labels(distribution))}
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            is_integer = isinstance(distribution, IntDistribution)
            kind = {
                "type": "integer" if is_integer else "number",
                "minimum": distribution.low,
                "maximum": distribution.high,
                "description": describe(space, name),
            }
        if name in space.optional:
            kind["type"] = [kind["type"], "null"]
            if "enum" in kind:
                kind["enum"].append(None)
        properties[name] = kind
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
