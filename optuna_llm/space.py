"""The search space: unit cube, native values, text and JSON schema; repair of proposals.

Three views of a configuration meet here. Optuna's: native values (``int``, ``float`` or the very
choice object). The surrogate's: coordinates in the unit cube, later one-hot encoded. The language
model's: short text and JSON, where a categorical choice is named by a label that is unique even
where Optuna's own look-up confuses ``True``, ``1`` and ``"1"``.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
import functools
import math
import re
from typing import Any
from typing import TypeGuard

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution


NumericDistribution = FloatDistribution | IntDistribution

# Two configurations closer than this in every coordinate are the same experiment.
DUPLICATE_TOLERANCE = 1e-4
_MAX_TEXT = 64


# --------------------------------------------------------------------------------------
# One numeric distribution <-> the unit interval


def _bounds(distribution: NumericDistribution) -> tuple[float, float]:
    """Return the interval that maps to [0, 1], on the distribution's own (log) scale.

    Grid points own a cell of equal width each, so that rounding favours none of them.
    """
    low, high = float(distribution.low), float(distribution.high)
    if distribution.step is not None:
        half = distribution.step / 2
        low, high = low - half, high + half
    if distribution.log:
        return math.log(low), math.log(high)
    return low, high


def to_unit(distribution: NumericDistribution, value: float) -> float:
    """Map a native number to [0, 1], on the log scale where the distribution has one."""
    low, high = _bounds(distribution)
    if high == low:
        return 0.5
    scaled = math.log(value) if distribution.log else float(value)
    return min(max((scaled - low) / (high - low), 0.0), 1.0)


def from_unit(distribution: NumericDistribution, unit: float) -> float | int:
    """Map a number of [0, 1] to a native value inside the range and on the grid."""
    low, high = _bounds(distribution)
    scaled = low + min(max(float(unit), 0.0), 1.0) * (high - low)
    return snap(distribution, math.exp(scaled) if distribution.log else scaled)


def snap(distribution: NumericDistribution, value: float) -> float | int:
    """Return the legal native value nearest to ``value``.

    Raises:
        ValueError: ``value`` is NaN.
    """
    if math.isnan(value):
        raise ValueError("NaN has no nearest value.")
    low, high = distribution.low, distribution.high
    clipped = min(max(value, low), high)
    if distribution.step is not None:
        cell = round((clipped - low) / distribution.step)
        last = round((high - low) / distribution.step)
        # Floats: the last grid point is `high` itself, not its rounding error.
        clipped = high if cell >= last else low + cell * distribution.step
    return int(clipped) if isinstance(distribution, IntDistribution) else float(clipped)


# --------------------------------------------------------------------------------------
# One categorical distribution <-> labels


def labels(distribution: CategoricalDistribution) -> tuple[str, ...]:
    """Return one unique, short text for each choice, in the order of the choices."""
    for show in (str, repr):
        texts = tuple(" ".join(show(c).split())[:_MAX_TEXT] for c in distribution.choices)
        if len({t.casefold() for t in texts}) == len(texts):
            return texts
    return tuple(f"{text}#{i}" for i, text in enumerate(texts))


def choice_index(distribution: CategoricalDistribution, value: Any) -> int | None:
    """Return the index of a native choice, by identity of type and value.

    Optuna's own look-up takes ``True`` for ``1``. Values read back from a storage are equal to
    their choice, though not always of its type; for them the first equal choice counts.
    """
    for index, choice in enumerate(distribution.choices):
        if type(choice) is type(value) and (choice == value or choice is value):
            return index
    for index, choice in enumerate(distribution.choices):
        if choice == value or (choice != choice and value != value):
            return index
    return None


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _read_choice(distribution: CategoricalDistribution, raw: Any) -> tuple[int | None, bool]:
    """Return the index of the choice that a reply means, and whether it had to be bent."""
    texts = labels(distribution)
    # Where choices collide as text, a string is first of all one of the labels that were shown.
    if isinstance(raw, str) and raw in texts:
        return texts.index(raw), False
    for index, choice in enumerate(distribution.choices):
        if type(choice) is type(raw) and choice == raw:
            return index, False
    if isinstance(raw, str):
        wanted = raw.strip().strip("\"'`").strip().casefold()
        for index, text in enumerate(texts):
            if wanted in (text.casefold(), text.strip("\"'").casefold()):
                return index, False
        # "2=relu", "[2] relu", "2: relu", "(2)": the index stands before the label.
        head = re.match(r"[\[(]?(\d+)[\])]?\s*[=:]?\s*(.*)$", wanted)
        if head and int(head[1]) < len(texts):
            label = texts[int(head[1])].casefold()
            if head[2] and head[2].strip("\"'`") in (label, label.strip("\"'")):
                return int(head[1]), False
    number = read_number(raw)
    numeric = {i: float(c) for i, c in enumerate(distribution.choices) if _is_number(c)}
    if number is None:
        return None, True
    for index, choice in numeric.items():
        if choice == number:
            return index, False
    if not numeric:
        # Without numbers among the choices, a number can only be an index.
        if number == int(number) and 0 <= number < len(texts):
            return int(number), False
        return None, True
    if len(numeric) == len(texts):
        nearest = min(numeric, key=lambda i: abs(numeric[i] - number))
        inside = min(numeric.values()) <= number <= max(numeric.values())
        return (nearest, True) if inside else (None, True)
    return None, True


_NUMBER = re.compile(r"[-+]?(?:\d[\d_,]*\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_POWER = re.compile(r"\s*(\d+)\s*(?:\*\*|\^)\s*([-+]?\d{1,3})\s*$")


def read_number(raw: Any) -> float | None:
    """Read one finite number out of whatever a reply holds; None where there is none."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, list) and len(raw) == 1:
        raw = raw[0]
    if isinstance(raw, Mapping) and "value" in raw:
        raw = raw["value"]
    try:
        if _is_number(raw):
            number = float(raw)
        elif isinstance(raw, str) and len(raw) <= 4 * _MAX_TEXT:
            power = _POWER.match(raw)
            found = _NUMBER.search(raw)
            if power:
                number = float(power[1]) ** int(power[2])
            elif found:
                number = float(found[0].replace(",", "").replace("_", ""))
                if raw[found.end() :].lstrip().startswith("%"):
                    number /= 100
            else:
                return None
        else:
            return None
    except (OverflowError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) else None


def format_number(value: float) -> str:
    """Show a number with four significant digits; integers in full."""
    if isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e6):
        return str(int(value))
    return f"{value:.4g}"


# --------------------------------------------------------------------------------------
# The space


@dataclass(frozen=True)
class Repair:
    """What became of one proposed configuration.

    Attributes:
        params: Native, legal values of every parameter that could be used.
        kept: Names of values that were legal as given.
        repaired: Names of values that were snapped or clipped, with what was wrong.
        dropped: Names of values that could not be used, with what was wrong.
        missing: Names of parameters, optional ones excepted, that the proposal lacks.
        unknown: Keys of the proposal that name no parameter.
    """

    params: dict[str, Any]
    kept: tuple[str, ...] = ()
    repaired: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()

    @property
    def violations(self) -> list[str]:
        """One line for each thing that the proposer should mend."""
        lines = [*self.repaired.values(), *self.dropped.values()]
        if self.missing:
            lines.append("missing: " + ", ".join(self.missing))
        return lines


@dataclass(frozen=True)
class SearchSpace:
    """Named distributions, in a fixed order, and the three views of their configurations.

    Args:
        distributions: The parameters. Single-valued ones belong here only if their value is to
            be shown; Optuna never asks a sampler for them.
        optional: Names of parameters that are not active in every configuration.
    """

    distributions: Mapping[str, BaseDistribution]
    optional: frozenset[str] = frozenset()

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """Parameter names in order; the columns of :meth:`coordinates`."""
        return tuple(self.distributions)

    def __len__(self) -> int:
        return len(self.distributions)

    # ---- unit cube

    def coordinates(self, configurations: Iterable[Mapping[str, Any]]) -> np.ndarray:
        """Return an array (n, number of parameters): unit interval, or index of the choice.

        A parameter that a configuration lacks, or whose value lies outside the distribution (the
        range has changed since), is NaN.
        """
        rows = [[self._coordinate(n, c) for n in self.names] for c in configurations]
        return np.array(rows, dtype=float).reshape(len(rows), len(self.names))

    def _coordinate(self, name: str, configuration: Mapping[str, Any]) -> float:
        if name not in configuration:
            return math.nan
        value, distribution = configuration[name], self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            index = choice_index(distribution, value)
            return math.nan if index is None else float(index)
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        if not _is_number(value) or not distribution.low <= value <= distribution.high:
            return math.nan
        return to_unit(distribution, value)

    def configuration(self, coordinates: Sequence[float] | np.ndarray) -> dict[str, Any]:
        """Return the native configuration of one row of coordinates; NaN leaves one out."""
        params: dict[str, Any] = {}
        for name, coordinate in zip(self.names, coordinates, strict=True):
            distribution = self.distributions[name]
            if math.isnan(coordinate):
                continue
            if isinstance(distribution, CategoricalDistribution):
                params[name] = distribution.choices[int(coordinate)]
            else:
                assert isinstance(distribution, FloatDistribution | IntDistribution)
                params[name] = from_unit(distribution, float(coordinate))
        return params

    @functools.cached_property
    def n_choices(self) -> np.ndarray:
        """Number of choices of each parameter, 0 for a numeric one; shape (parameters,)."""
        return np.array(
            [
                len(d.choices) if isinstance(d, CategoricalDistribution) else 0
                for d in self.distributions.values()
            ],
            dtype=int,
        )

    def one_hot(self, coordinates: np.ndarray) -> np.ndarray:
        """Encode coordinates (n, parameters) for a regressor: (n, features).

        A numeric parameter is one feature in [0, 1], a categorical one a feature for each
        choice; all features of an inactive parameter are NaN.
        """
        columns = []
        for column, n_choices in zip(coordinates.T, self.n_choices, strict=True):
            if n_choices == 0:
                columns.append(column[:, None])
                continue
            hot = (column[:, None] == np.arange(n_choices)).astype(float)
            hot[np.isnan(column)] = np.nan
            columns.append(hot)
        return np.hstack(columns) if columns else np.empty((len(coordinates), 0))

    def duplicates(self, candidate: Mapping[str, Any], others: np.ndarray) -> bool:
        """Say whether a configuration repeats a row of coordinates (n, parameters).

        Parameters that one of the two lacks do not tell them apart.
        """
        if len(others) == 0 or len(self) == 0:
            return False
        distance = np.abs(others - self.coordinates([candidate]))
        same = (distance < DUPLICATE_TOLERANCE) | np.isnan(distance)
        return bool(np.any(same.all(axis=1) & ~np.isnan(distance).all(axis=1)))

    # ---- text

    def label(self, name: str, value: Any) -> str:
        """Show one value as a prompt does: four digits, or the label of the choice."""
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            index = choice_index(distribution, value)
            return "?" if index is None else labels(distribution)[index]
        return format_number(value)

    def describe(self, name: str) -> str:
        """Say in one line what may be chosen for a parameter: type, range, scale, step."""
        distribution = self.distributions[name]
        if isinstance(distribution, CategoricalDistribution):
            listed = ", ".join(f"{i}={text}" for i, text in enumerate(labels(distribution)))
            text = f"one of [{listed}]"
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            kind = "integer" if isinstance(distribution, IntDistribution) else "number"
            low, high = format_number(distribution.low), format_number(distribution.high)
            text = f"{kind} from {low} to {high}"
            if distribution.log:
                text += ", log scale"
            if distribution.step is not None and distribution.step != 1:
                text += f", in steps of {format_number(distribution.step)}"
        return text + (", only where it applies" if name in self.optional else "")

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON schema of one configuration, in the subset that all providers take.

        Ranges stand in the descriptions: strict modes refuse ``minimum`` and ``maximum``. An
        optional parameter may be null.
        """
        properties: dict[str, Any] = {}
        for name, distribution in self.distributions.items():
            kind: dict[str, Any]
            if isinstance(distribution, CategoricalDistribution):
                kind = {"type": "string", "enum": list(labels(distribution))}
            elif isinstance(distribution, IntDistribution):
                kind = {"type": "integer"}
            else:
                kind = {"type": "number"}
            if name in self.optional:
                kind["type"] = [kind["type"], "null"]
                if "enum" in kind:
                    kind["enum"].append(None)
            properties[name] = {**kind, "description": self.describe(name)}
        return {
            "type": "object",
            "properties": properties,
            "required": list(properties),
            "additionalProperties": False,
        }

    # ---- repair

    def match(self, key: str) -> str | None:
        """Return the parameter that a key of a reply means: by name, else by its letters."""
        if key in self.distributions:
            return key
        return self._by_letters.get(_letters(key))

    @functools.cached_property
    def _by_letters(self) -> dict[str, str]:
        found: dict[str, list[str]] = {}
        for name in self.names:
            found.setdefault(_letters(name), []).append(name)
        return {k: v[0] for k, v in found.items() if len(v) == 1}

    def repair(self, proposal: Mapping[str, Any]) -> Repair:
        """Turn what a model proposed into legal native values, keeping every usable one.

        Numbers are snapped to the grid and clipped to the range, choices are found by value,
        label or index. Nothing is invented: what the proposal lacks stays missing.
        """
        given: dict[str, Any] = {}
        unknown = []
        for key, raw in proposal.items():
            name = self.match(str(key))
            if name is None:
                unknown.append(str(key)[:_MAX_TEXT])
            elif name not in given or str(key) == name:
                given[name] = raw
        params: dict[str, Any] = {}
        kept, repaired, dropped = [], {}, {}
        for name, raw in given.items():
            if raw is None and name in self.optional and not self._takes_none(name):
                continue
            value, problem = self._read(name, raw)
            if problem is None:
                kept.append(name)
            elif value is None:
                dropped[name] = problem
                continue
            else:
                repaired[name] = problem
            params[name] = value[0] if value else None
        absent = (n for n in self.names if n not in params and n not in dropped)
        missing = tuple(n for n in absent if n not in self.optional)
        return Repair(
            {n: params[n] for n in self.names if n in params},
            tuple(kept),
            repaired,
            dropped,
            missing,
            tuple(unknown),
        )

    def _takes_none(self, name: str) -> bool:
        distribution = self.distributions[name]
        return isinstance(distribution, CategoricalDistribution) and None in distribution.choices

    def _read(self, name: str, raw: Any) -> tuple[tuple[Any] | None, str | None]:
        """Return (value,) or None, and what was wrong with it or None."""
        distribution = self.distributions[name]
        shown = repr(raw)[:_MAX_TEXT]
        if isinstance(distribution, CategoricalDistribution):
            index, bent = _read_choice(distribution, raw)
            problem = f"{name}={shown} must be {self.describe(name)}" if bent else None
            return (None if index is None else (distribution.choices[index],)), problem
        assert isinstance(distribution, FloatDistribution | IntDistribution)
        number = read_number(raw)
        if number is None:
            return None, f"{name}={shown} is not a number"
        legal = snap(distribution, number)
        if math.isclose(legal, number, rel_tol=1e-9, abs_tol=1e-12):
            return (legal,), None
        return (
            legal,
        ), f"{name}={shown} must be {self.describe(name)}; nearest is {format_number(legal)}"


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())
