"""Which parameter of a source is which of a new space, and what its values become there."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
import functools
import math
from typing import Any
from typing import Literal

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior import ParameterPrior
from optuna_llm.prior.fitting import choice_number
from optuna_llm.space.choices import choice_index
from optuna_llm.space.numbers import NumericDistribution
from optuna_llm.space.numbers import is_number
from optuna_llm.space.numbers import snap
from optuna_llm.transfer.sources import Source
from optuna_llm.transfer.sources import SourceTrial


# A number outside a range by less than this share of it (on its own scale) is meant to be at its
# end; one further away is not transferred.
_NEAR = 0.05
# The best share of a source: a dropped parameter was constant there, as far as anyone knows.
_GOOD_SHARE = 0.25

How = Literal["same name", "renamed", "same quantity"]


@dataclass(frozen=True)
class Pair:
    """A parameter of the source and the parameter of the new space that is the same.

    Attributes:
        source: Its name there.
        target: Its name here.
        how: Why they are taken for the same.
        convert: Returns the value here for a number there, before it is made legal.
        form: What is converted, in words; empty where nothing is.
    """

    source: str
    target: str
    how: How
    convert: Callable[[float], float] | None = None
    form: str = ""


@dataclass(frozen=True)
class Carried:
    """What a trial of a source has become in the new space.

    Attributes:
        params: Legal native values.
        changed: Of values that are not what they were, by name: ``clipped`` or ``snapped``.
        lost: Names of the parameters whose value does not exist any more.
    """

    params: dict[str, Any]
    changed: dict[str, str]
    lost: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """A source held against a new space.

    Attributes:
        source: The source.
        distributions: The parameters of the new space.
        pairs: What is the same in both.
        new: Parameters of the new space that the source does not have.
        dropped: Parameters of the source that the new space does not have.
        fixed: What parameters are, or were, where they are not parameters.
        meanings: What is known of the new parameters, by name.
    """

    source: Source
    distributions: Mapping[str, BaseDistribution]
    pairs: tuple[Pair, ...]
    new: tuple[str, ...]
    dropped: tuple[str, ...]
    fixed: Mapping[str, Any] = field(default_factory=dict)
    meanings: Mapping[str, ParameterPrior] = field(default_factory=dict)

    def carry(self, trial: SourceTrial) -> Carried:
        """Return what a trial of the source is in the new space."""
        params: dict[str, Any] = {}
        changed: dict[str, str] = {}
        lost = []
        for pair in self.pairs:
            if pair.source not in trial.params:
                continue
            value = trial.params[pair.source]
            if pair.convert is not None and (number := _number(value)) is not None:
                value = _converted(pair.convert, number)
            found = placed(self.distributions[pair.target], value)
            if found is None:
                lost.append(pair.target)
                continue
            params[pair.target], how = found
            if how:
                changed[pair.target] = how
        for name in self.new:
            if name in self.fixed:
                found = placed(self.distributions[name], self.fixed[name])
                assert found is not None  # It has been checked.
                params[name] = found[0]
        return Carried(params, changed, tuple(lost))

    @property
    def overlap(self) -> float:
        """The share of the new space's parameters that the source has."""
        return len(self.pairs) / max(len(self.distributions), 1)

    @functools.cached_property
    def comparable(self) -> tuple[SourceTrial, ...]:
        """Trials of the source that measured what the new objective measures, best first.

        What the new space does not have is constant there. Trials whose value of it is unlike that
        constant, or, where nobody has said it, unlike those of the source's best quarter, measured
        something else.
        """
        trials = self.source.trials
        n_good = max(1, math.ceil(_GOOD_SHARE * len(trials)))
        for name in self.dropped:
            if name in self.fixed:
                like = _Like((self.fixed[name],), self.source.distributions.get(name))
            else:
                good = self.source.trials[:n_good]
                values = tuple(t.params[name] for t in good if name in t.params)
                like = _Like(values, None)
            trials = tuple(t for t in trials if name not in t.params or like(t.params[name]))
        return trials


@dataclass(frozen=True)
class _Like:
    """Whether a value is like some others: between them, or one of them.

    Attributes:
        values: The others.
        range: The distribution in which a number near them is like them, too.
    """

    values: tuple[Any, ...]
    range: BaseDistribution | None

    def __call__(self, value: Any) -> bool:
        if not self.values:
            return True
        numbers = [v for v in (*self.values, value) if is_number(v)]
        if len(numbers) <= len(self.values) or not is_number(value):
            return any(value == v or str(value) == str(v) for v in self.values)
        margin = 0.0
        if isinstance(self.range, FloatDistribution | IntDistribution):
            margin = _NEAR * (self.range.high - self.range.low)
        return min(numbers[:-1]) - margin <= value <= max(numbers[:-1]) + margin


def match(
    source: Source,
    distributions: Mapping[str, BaseDistribution],
    *,
    rename: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
) -> Match:
    """Hold a source against a new space: by what the user says, by name, then by meaning.

    Two parameters mean the same if the embedded prior knows both as one hyperparameter, and each
    is the only one of its space that is left for it: ``eta`` is ``learning_rate``, and ``log_lr``
    its logarithm.

    Args:
        source: The source.
        distributions: The parameters of the new space.
        rename: Names in the new space by names in sources.
        fixed: Values of parameters where they are not parameters.
    """
    theirs, ours = dict(source.distributions), dict(distributions)
    # Both are about the same model: what one of them says of it holds for the other, too.
    both = {**theirs, **ours}
    known_theirs, known_ours = _meanings(theirs, both), _meanings(ours, both)
    pairs: list[Pair] = []

    def join(old: str, new: str, how: How) -> None:
        pairs.append(_pair(old, new, how, known_theirs.get(old), known_ours.get(new)))
        del theirs[old], ours[new]

    for old, new in (rename or {}).items():
        if old in theirs and new in ours:
            join(old, new, "renamed")
    for name in [n for n in ours if n in theirs]:
        join(name, name, "same name")
    left_theirs, left_ours = (
        _by_meaning(known, left) for known, left in ((known_theirs, theirs), (known_ours, ours))
    )
    for meaning, names in left_ours.items():
        if len(names) == 1 and len(left_theirs.get(meaning, ())) == 1:
            join(left_theirs[meaning][0], names[0], "same quantity")
    order = {name: i for i, name in enumerate(distributions)}
    pairs.sort(key=lambda pair: order[pair.target])
    return Match(
        source,
        distributions,
        tuple(pairs),
        new=tuple(ours),
        dropped=tuple(theirs),
        fixed=dict(fixed or {}),
        meanings=known_ours,
    )


def _meanings(
    space: Mapping[str, BaseDistribution], others: Mapping[str, BaseDistribution]
) -> dict[str, ParameterPrior]:
    found = {n: EmbeddedPrior().lookup(n, d, others) for n, d in space.items()}
    return {n: prior for n, prior in found.items() if prior is not None}


def _by_meaning(
    known: Mapping[str, ParameterPrior], left: Mapping[str, Any]
) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, prior in known.items():
        if name in left:
            found.setdefault(prior.name, []).append(name)
    return found


def _pair(
    old: str, new: str, how: How, theirs: ParameterPrior | None, ours: ParameterPrior | None
) -> Pair:
    if theirs is None or ours is None or theirs.name != ours.name:
        return Pair(old, new, how)
    if theirs.transform == ours.transform:
        return Pair(old, new, how)
    there, here = theirs.transform, ours.transform
    form = f"{there.form.format(theirs.name)} -> {here.form.format(ours.name)}"
    return Pair(old, new, how, lambda value: here.parameter(there.quantity(value)), form)


def _converted(convert: Callable[[float], float], value: float) -> float:
    """Return a converted number; NaN where there is none."""
    try:
        return convert(value)
    except (OverflowError, ValueError):
        return math.nan


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) else choice_number(value)


# --------------------------------------------------------------------------------------
# Values


def placed(distribution: BaseDistribution, value: Any) -> tuple[Any, str] | None:
    """Return the legal value that another one means, and how it was changed.

    Numbers are snapped to the grid, and clipped where they are nearly inside; choices are found by
    value, by text, and numbers among them by distance. None where nothing is meant.
    """
    if isinstance(distribution, CategoricalDistribution):
        return _chosen(distribution, value)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    number = _number(value)
    if number is None or not math.isfinite(number):
        return None
    if _outside(distribution, number) > _NEAR:
        return None
    whole = value if isinstance(value, int) and not isinstance(value, bool) else number
    found = snap(distribution, whole)
    if found == whole:
        return found, ""
    is_inside = distribution.low <= number <= distribution.high
    return found, "snapped" if is_inside else "clipped"


def _chosen(distribution: CategoricalDistribution, value: Any) -> tuple[Any, str] | None:
    index = choice_index(distribution, value)
    if index is None:
        texts = [str(choice) for choice in distribution.choices]
        index = texts.index(str(value)) if str(value) in texts else None
    if index is not None:
        return distribution.choices[index], ""
    numbers = [_number(choice) for choice in distribution.choices]
    known = [n for n in numbers if n is not None]
    number = _number(value)
    if number is None or len(known) < 2 or len(known) < len(numbers):
        return None
    is_log = min(known) > 0
    low, high = min(known), max(known)
    if _outside(FloatDistribution(low, high, log=is_log), number) > _NEAR:
        return None
    nearest = min(range(len(known)), key=lambda i: _gap(known[i], number, is_log))
    return distribution.choices[nearest], "snapped"


def _outside(distribution: NumericDistribution, value: float) -> float:
    """Return by what share of a range, on its own scale, a number lies outside."""
    low, high = float(distribution.low), float(distribution.high)
    if low <= value <= high:
        return 0.0
    if distribution.log and value <= 0:
        return math.inf
    width = _gap(low, high, distribution.log)
    gap = _gap(value, low if value < low else high, distribution.log)
    return gap / width if width > 0 else math.inf


def _gap(a: float, b: float, is_log: bool) -> float:
    if is_log:
        return abs(math.log(a) - math.log(b)) if a > 0 and b > 0 else math.inf
    return abs(a - b)
