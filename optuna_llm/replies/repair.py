"""From what a model proposed to legal native values: every usable value is kept.

Names, numbers and choices are read as a model writes them. What a user gives is never read so.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import functools
import math
import re
from typing import Any
from typing import Literal
import unicodedata

from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.replies.numbers import is_plain
from optuna_llm.replies.numbers import meant
from optuna_llm.replies.numbers import read_number
from optuna_llm.replies.numbers import readings
from optuna_llm.space.choices import labels
from optuna_llm.space.numbers import format_number
from optuna_llm.space.numbers import is_number
from optuna_llm.space.numbers import snap
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.words import describe
from optuna_llm.space.words import quote


_MAX_TEXT = 64


@dataclass(frozen=True)
class Repair:
    """What became of one proposed configuration.

    Attributes:
        params: Native, legal values of every parameter that could be used.
        kept: Names of values that were legal as given.
        repaired: Names of values that were snapped or clipped, or written in another form than a
            program's, with what was wrong.
        dropped: Names of values that could not be used, with what was wrong.
        missing: Names of parameters, optional ones excepted, that the proposal lacks.
        unknown: Keys of the proposal that name no parameter.
        understood: Those of the repaired values that are just what was meant.
    """

    params: dict[str, Any]
    kept: tuple[str, ...] = ()
    repaired: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    understood: frozenset[str] = frozenset()

    @property
    def violations(self) -> list[str]:
        """One line for each thing that the proposer should mend."""
        bent = [text for name, text in self.repaired.items() if name not in self.understood]
        lines = [*bent, *self.dropped.values()]
        if self.missing:
            lines.append("missing: " + ", ".join(self.missing))
        return lines


def match_name(space: SearchSpace, key: str) -> str | None:
    """Return the parameter that a key of a reply means: by name, else by its letters.

    Names are the same in any Unicode normal form. Letters and digits of all scripts count.
    """
    if key in space.distributions:
        return key
    for simplified in (_normal, _letters):
        wanted = simplified(key)
        found = [name for name in space.names if simplified(name) == wanted]
        if wanted and len(found) == 1:
            return found[0]
    return None


def repair(space: SearchSpace, proposal: Mapping[str, Any]) -> Repair:
    """Turn what a model proposed into legal native values, keeping every usable one.

    Numbers are snapped to the grid and clipped to the range, choices are found by value,
    label or index. Nothing is invented: what the proposal lacks stays missing.
    """
    given: dict[str, Any] = {}
    unknown = []
    for key, raw in proposal.items():
        name = match_name(space, str(key))
        if name is None:
            unknown.append(str(key)[:_MAX_TEXT])
        elif name not in given or str(key) == name:
            given[name] = raw
    params: dict[str, Any] = {}
    kept, understood, repaired, dropped = [], set(), {}, {}
    for name, raw in given.items():
        if raw is None and name in space.optional and not _takes_none(space, name):
            continue
        value, problem, is_understood = _read(space, name, raw)
        if problem is None:
            kept.append(name)
        elif value is None:
            dropped[name] = problem
            continue
        else:
            repaired[name] = problem
            if is_understood:
                understood.add(name)
        params[name] = value[0] if value else None
    absent = (n for n in space.names if n not in params and n not in dropped)
    missing = tuple(n for n in absent if n not in space.optional)
    return Repair(
        {n: params[n] for n in space.names if n in params},
        tuple(kept),
        repaired,
        dropped,
        missing,
        tuple(unknown),
        frozenset(understood),
    )


def _takes_none(space: SearchSpace, name: str) -> bool:
    distribution = space.distributions[name]
    return isinstance(distribution, CategoricalDistribution) and None in distribution.choices


def _read(space: SearchSpace, name: str, raw: Any) -> tuple[tuple[Any] | None, str | None, bool]:
    """Return (value,) or None, what was wrong or None, and whether it was understood anyway."""
    distribution = space.distributions[name]
    shown = quote(raw if isinstance(raw, str) else repr(raw), _MAX_TEXT)
    if isinstance(raw, int | float):
        shown = repr(raw)[:_MAX_TEXT]
    if isinstance(distribution, CategoricalDistribution):
        index, how = _read_choice(distribution, raw)
        if index is None:
            return None, f"{name}={shown} must be {describe(space, name)}", False
        value = (distribution.choices[index],)
        if how == "given":
            return value, None, True
        text = labels(distribution)[index]
        if how == "understood":
            return value, f"{name}={shown} is read as {text}", True
        return value, f"{name}={shown} must be {describe(space, name)}; nearest is {text}", False
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    number = read_number(raw, distribution)
    if number is None:
        return None, f"{name}={shown} is not a number", False
    if distribution.log and number < 0:
        # A logarithm, most likely; the lower end of the range is not what was meant.
        return None, f"{name}={shown} must be {describe(space, name)}", False
    legal = snap(distribution, number)
    if not math.isclose(legal, number, rel_tol=1e-9, abs_tol=1e-12):
        nearest = f"nearest is {format_number(legal)}"
        return (legal,), f"{name}={shown} must be {describe(space, name)}; {nearest}", False
    if is_plain(raw):
        return (legal,), None, True
    return (legal,), f"{name}={shown} is read as {format_number(legal)}", True


@functools.lru_cache(maxsize=1024)
def _normal(name: str) -> str:
    return unicodedata.normalize("NFKC", name).strip()


@functools.lru_cache(maxsize=1024)
def _letters(name: str) -> str:
    folded = _normal(_normal(name).casefold())
    # Marks are the vowels of some scripts.
    return "".join(c for c in folded if c.isalnum() or unicodedata.category(c)[0] == "M")


_FLAGS = {
    **dict.fromkeys(("true", "yes", "on", "1", "enabled", "enable"), True),
    **dict.fromkeys(("false", "no", "off", "0", "disabled", "disable"), False),
}
_NOTHING = ("none", "null", "nil", "n/a", "na", "nan", "undefined")


def _read_choice(
    distribution: CategoricalDistribution, raw: Any
) -> tuple[int | None, Literal["given", "understood", "nearest"]]:
    """Return the index of the choice that a reply means, and how it was found."""
    choices, texts = distribution.choices, labels(distribution)
    # Where choices collide as text, a string is first of all one of the labels that were shown.
    if isinstance(raw, str) and raw in texts:
        return texts.index(raw), "given"
    for index, choice in enumerate(choices):
        if type(choice) is type(raw) and choice == raw:
            return index, "given"
    if isinstance(raw, list) and len(raw) == 1:
        raw = raw[0]
    wanted = ""
    if isinstance(raw, str):
        wanted = raw.strip().strip("\"'`").strip().casefold()
        for index, text in enumerate(texts):
            if wanted in (text.casefold(), text.strip("\"'").casefold()):
                return index, "given"
        # "2=relu", "[2] relu", "2: relu", "(2)": the index stands before the label.
        head = re.match(r"[\[(]?(\d{1,4})[\])]?\s{0,9}[=:]?\s{0,9}(.*)$", wanted)
        if head and int(head[1]) < len(texts):
            label = texts[int(head[1])].casefold()
            if head[2] and head[2].strip("\"'`") in (label, label.strip("\"'")):
                return int(head[1]), "given"
    for found in (_same_number(choices, raw), _same_flag(choices, raw), _nothing(choices, raw)):
        if found is not None:
            is_given = is_plain(raw) and is_number(choices[found])
            return found, "given" if is_given else "understood"
    if not is_plain(raw):
        return None, "nearest"
    (number,) = readings(raw) or (math.nan,)
    if not any(re.search(r"\d", text) for text in texts):
        # Without a number among the choices, a number can only be an index.
        return (int(number) if number in range(len(texts)) else None), "given"
    numbers = [float(choice) for choice in choices if is_number(choice)]
    if len(numbers) == len(choices) and min(numbers) <= number <= max(numbers):
        return min(range(len(numbers)), key=lambda i: abs(numbers[i] - number)), "nearest"
    return None, "nearest"


def _same_number(choices: Sequence[Any], raw: Any) -> int | None:
    """Return the only choice that is, or names, the number that is meant."""
    if isinstance(raw, bool):
        return None
    numbers = [readings(choice) for choice in choices]
    number = meant(readings(raw), lambda n: any(n in own for own in numbers))
    same = [i for i, own in enumerate(numbers) if number is not None and number in own]
    native = [i for i in same if is_number(choices[i])]
    return next(iter(native or same), None) if len(native or same) == 1 else None


def _flag(value: Any) -> bool | None:
    """Read a truth value, in words or as a number."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return _FLAGS.get(str(value).strip(" \"'`").casefold())


def _are_flags(choices: Sequence[Any]) -> bool:
    """Whether the choices are yes and no, in whatever words, beside None."""
    flags = [_flag(choice) for choice in choices if choice is not None]
    return len(flags) == 2 and {True, False} == set(flags)


def _same_flag(choices: Sequence[Any], raw: Any) -> int | None:
    """Return the choice of a truth value, where the choices are just yes and no."""
    wanted = _flag(raw)
    if wanted is None or not _are_flags(choices):
        return None
    return [_flag(choice) for choice in choices].index(wanted)


def _nothing(choices: Sequence[Any], raw: Any) -> int | None:
    """Return the only choice that says "none", if that is what a reply says."""
    own = [i for i, choice in enumerate(choices) if _is_nothing(choice)]
    return own[0] if _is_nothing(raw) and len(own) == 1 else None


def _is_nothing(value: Any) -> bool:
    return value is None or (
        isinstance(value, str) and value.strip(" \"'`").casefold() in _NOTHING
    )
