"""What a reply says beside its candidates: notes, rules, structure, judgements. Never raises."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import Any

from optuna.distributions import CategoricalDistribution

from optuna_llm.history.attributes import shorten
from optuna_llm.history.statement import Rule
from optuna_llm.history.statement import Stated
from optuna_llm.replies.lenient_json import find_json
from optuna_llm.replies.numbers import read_number
from optuna_llm.replies.reasoning import without_reasoning
from optuna_llm.replies.repair import match_name
from optuna_llm.replies.repair import repair
from optuna_llm.replies.reply import MAX_REPLY
from optuna_llm.space.search_space import SearchSpace


# About 300 tokens.
MAX_NOTES = 1500
_MAX_RULES = 6
_MAX_FACTORS = 4
_MAX_WHY = 120
_MAX_ITEMS = 200
_RELEVANCE = ("high", "medium", "low")


@dataclass(frozen=True)
class Said:
    """What a reply says beside its candidates.

    Attributes:
        notes: The analysis.
        optimizer: Letters of the points of the optimizer that it would run; None if it is silent.
        rules: Its rules.
        structure: What it holds of parameters, by name, with legal values only.
    """

    notes: str = ""
    optimizer: tuple[str, ...] | None = None
    rules: tuple[Rule, ...] = ()
    structure: Mapping[str, Stated] = field(default_factory=dict)

    def restored(
        self,
        restore: Callable[[Mapping[str, Any]], dict[str, Any]],
        own_name: Callable[[str], str],
    ) -> Said:
        """Return the same about the user's parameters; notes stay as the model wrote them.

        Args:
            restore: Returns a configuration under the user's names and with the user's choices.
            own_name: Returns the user's name of a parameter.
        """

        def own(shown: str, stated: Stated) -> Stated:
            usual = {} if stated.usual is None else restore({shown: stated.usual})
            rises, falls = (
                tuple(map(own_name, names)) for names in (stated.rises_with, stated.falls_with)
            )
            value = usual.get(own_name(shown))
            return replace(stated, usual=value, rises_with=rises, falls_with=falls)

        structure = {own_name(n): own(n, stated) for n, stated in self.structure.items()}
        rules = tuple(rule.renamed(own_name) for rule in self.rules)
        return replace(self, rules=rules, structure=structure)


def read_statement(text: str, space: SearchSpace) -> Said:
    """Read what a reply says beside its candidates, as far as it can be understood.

    Args:
        text: The reply; of a very long one the first 200,000 characters.
        space: The parameters, under the names that the model was shown.
    """
    objects = [item.value for item in find_json(without_reasoning(text[:MAX_REPLY]))]
    answers = [o for o in objects if isinstance(o, dict) and "candidates" in o]
    if not answers:
        return Said()
    answer = answers[-1]
    notes = answer.get("analysis")
    optimizer = answer.get("optimizer")
    rules = [rule for entry in _entries(answer.get("rules")) if (rule := _rule(entry, space))]
    return Said(
        shorten(notes, MAX_NOTES) if isinstance(notes, str) else "",
        tuple(x[:1].upper() for x in optimizer[:_MAX_ITEMS] if isinstance(x, str))
        if isinstance(optimizer, list)
        else None,
        tuple(rules[:_MAX_RULES]),
        dict(_stated(_entries(answer.get("structure")), space)),
    )


def _entries(given: Any) -> list[dict[str, Any]]:
    items = given if isinstance(given, list) else []
    return [item for item in items[:_MAX_ITEMS] if isinstance(item, dict)]


def _names(given: Any, space: SearchSpace) -> tuple[str, ...] | None:
    """Return the parameters of a list; None if one of them is unknown."""
    listed = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    names = [match_name(space, n) if isinstance(n, str) else None for n in listed[:_MAX_ITEMS]]
    known = [n for n in names if n is not None]
    return tuple(known) if len(known) == len(names) else None


def _number(given: Any) -> float | None:
    return None if given is None or isinstance(given, dict | list) else read_number(given)


def _rule(entry: Mapping[str, Any], space: SearchSpace) -> Rule | None:
    multiply = _names(entry.get("multiply"), space)
    divide = _names(entry.get("divide"), space)
    low, high = _number(entry.get("low")), _number(entry.get("high"))
    if not multiply or divide is None or len(multiply) + len(divide) > _MAX_FACTORS:
        return None
    if any(space.n_choices[space.names.index(n)] for n in (*multiply, *divide)):
        return None
    if low is not None and high is not None and low > high:
        low, high = high, low
    why = entry.get("why")
    return Rule(
        multiply, divide, low, high, shorten(why, _MAX_WHY) if isinstance(why, str) else ""
    )


def _stated(entries: list[dict[str, Any]], space: SearchSpace) -> Iterator[tuple[str, Stated]]:
    for entry in entries:
        given = entry.get("parameter")
        name = match_name(space, given) if isinstance(given, str) else None
        if name is None:
            continue
        low: float | None = None
        high: float | None = None
        if not isinstance(space.distributions[name], CategoricalDistribution):
            low, high = (
                None if (v := _number(entry.get(key))) is None else space.legal({name: v})[name]
                for key in ("low", "high")
            )
            if low is not None and high is not None and low > high:
                low, high = high, low
        usual = repair(space, {name: entry["usual"]}).params if "usual" in entry else {}
        relevance = entry.get("relevance")
        yield (
            name,
            Stated(
                usual.get(name),
                low,
                high,
                relevance if relevance in _RELEVANCE else "medium",
                tuple(n for n in _names(entry.get("rises_with"), space) or () if n != name),
                tuple(n for n in _names(entry.get("falls_with"), space) or () if n != name),
            ),
        )
