"""What would be transferred: how each source fits the new space, and the trials to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
import difflib
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.trial import TrialState

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior.sizes import Move
from optuna_llm.sharing.checks import checked_count
from optuna_llm.sharing.checks import checked_space
from optuna_llm.sharing.checks import shown
from optuna_llm.sharing.given import fixed_params
from optuna_llm.space.numbers import format_value
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.space.tried import Tried
from optuna_llm.space.words import describe
from optuna_llm.transfer.family import find_family
from optuna_llm.transfer.matching import Match
from optuna_llm.transfer.matching import match
from optuna_llm.transfer.matching import placed
from optuna_llm.transfer.ordering import Point
from optuna_llm.transfer.ordering import choose
from optuna_llm.transfer.scaling import checked_scale
from optuna_llm.transfer.scaling import scaled
from optuna_llm.transfer.sources import Source
from optuna_llm.transfer.sources import read_sources


if TYPE_CHECKING:
    from optuna import Study


# No more than this share of an announced number of trials repeats what is known.
_LARGEST_SHARE = 0.2
# Usual values are worth a trial where the prior knows this share of the parameters.
_LEAST_KNOWN = 0.5
# A source that nobody has named must have this share of the parameters.
_LEAST_OVERLAP = 0.5


@dataclass(frozen=True)
class Start:
    """A trial to begin with.

    Attributes:
        params: Legal native values; parameters that no source knows are left to the sampler.
        origin: Which trial of which source it is, in words.
        point: The same, as it was chosen; None for the usual values.
    """

    params: dict[str, Any]
    origin: str
    point: Point | None = None

    @property
    def notes(self) -> list[str]:
        """What became of values on the way, in words."""
        if self.point is None:
            return []
        carried = self.point.carried
        changed = [f"{name} {how}" for name, how in carried.changed.items()]
        return changed + [f"{name} left out" for name in carried.lost]


@dataclass(frozen=True)
class Transfer:
    """What is transferred to a new study; as text, a table for people.

    Attributes:
        matches: The sources that are used, newest first, held against the new space.
        starts: The trials to begin with, in their order.
        unused: The sources that are not used, and why, a sentence each.
        moves: The scaling rules by which values were moved.
    """

    matches: tuple[Match, ...]
    starts: tuple[Start, ...]
    unused: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()

    def __str__(self) -> str:
        lines = []
        for m in self.matches:
            date = "" if m.source.newest is None else f", newest of {m.source.newest:%Y-%m-%d}"
            lines.append(f"source {m.source.name!r}: {len(m.source.trials)} trials{date}")
            lines += [f"  {line}" for line in _aligned(_rows(m))]
        lines += [f"not used: {reason}" for reason in self.unused]
        lines += [f"moved: {move}" for move in self.moves]
        lines.append(f"trials to begin with: {len(self.starts)}")
        for number, start in enumerate(self.starts, 1):
            values = ", ".join(f"{n}={format_value(v)}" for n, v in start.params.items())
            lines.append(f"  {number}. {start.origin}: {values}")
            lines += [f"     {', '.join(start.notes)}"] if start.notes else []
        return "\n".join(lines)


def plan(
    study: Study,
    sources: Any,
    *,
    n: int = 5,
    search_space: Mapping[str, BaseDistribution] | None = None,
    rename: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    n_trials: int | None = None,
    scale: Any = None,
) -> Transfer:
    """Say what :func:`optuna_llm.warm_start` would do, and do nothing.

    Args:
        study: The new study.
        sources: See :func:`optuna_llm.warm_start`, as all the others.
        n: How many trials to begin with at most.
        search_space: The new space.
        rename: Names in the new space by names in sources.
        fixed: Values of parameters where they are not parameters.
        n_trials: How many trials the new study will have.
        scale: Sizes of the sources' model and of the new one.

    Raises:
        ConfigurationError: An argument is wrong; the message says which and why.
    """
    sizes = None if scale is None else checked_scale(scale)
    n = checked_count("n", n, 1, 1000)
    if n_trials is not None:
        budget = checked_count("n_trials", n_trials, 1)
        n = min(n, max(1, int(_LARGEST_SHARE * budget)))
    distributions = known_space(study, search_space)
    is_auto = isinstance(sources, str) and sources == "auto"
    read = _read(study, sources)
    check_words(read, distributions, rename, fixed)
    matches, unused = usable(
        read, distributions, len(study.directions), rename=rename, fixed=fixed, is_auto=is_auto
    )
    applied: dict[Move, None] = {}
    if sizes is not None:
        moved = [scaled(m, sizes) for m in matches]
        matches = [m for m, _ in moved]
        applied = dict.fromkeys(move for _, each in moved for move in each)
    # Points differ by what sources know; the rest is not theirs.
    shared = {pair.target for m in matches for pair in m.pairs}
    space = SearchSpace({name: d for name, d in distributions.items() if name in shared})
    taken = space.coordinates(
        [{**fixed_params(t), **t.params} for t in study.get_trials(deepcopy=False)]
    )
    usual = _usual(distributions)
    whole = EmbeddedPrior().default(distributions)
    is_known = len(usual) >= _LEAST_KNOWN * len(distributions)
    has_usual = n > 1 and bool(matches) and is_known and _is_new(whole, distributions, study)
    points = choose(matches, n - has_usual, space, taken)
    # What is new takes its usual value once; how it is to be varied is the sampler's business.
    new = {k: v for k, v in usual.items() if k not in shared and k not in (fixed or {})}
    starts = [
        Start({**(new if i == 0 else {}), **p.carried.params}, str(p), p)
        for i, p in enumerate(points)
    ]
    if has_usual and starts:
        # Where a source misleads, this is what a search without one would begin with.
        starts.insert(1, Start(whole, "the usual values"))
    return Transfer(tuple(matches), tuple(starts), tuple(unused), tuple(applied))


def _read(study: Study, sources: Any) -> list[Source]:
    if isinstance(sources, str) and sources == "auto":
        return find_family(study)
    return read_sources(sources, study.directions)


def space_of_sources(study: Study, sources: Any) -> dict[str, BaseDistribution]:
    """Return the parameters of the newest source, for a study that has none yet.

    Raises:
        ConfigurationError: A source cannot be read, or there is none with parameters.
    """
    for source in _read(study, sources):
        if source.distributions:
            return dict(source.distributions)
    raise ConfigurationError(
        f"study {study.study_name!r} has no trial, and no source with parameters either; name one."
    )


def known_space(
    study: Study, search_space: Mapping[str, BaseDistribution] | None
) -> dict[str, BaseDistribution]:
    """Return the parameters of a study that have more than one value.

    Raises:
        ConfigurationError: Nobody has said what they are.
    """
    distributions = checked_space(search_space) or dict(History.from_study(study).distributions)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if not distributions:
        queued = f" ({len(waiting)} trials are waiting)" if waiting else ""
        raise ConfigurationError(
            f"study {study.study_name!r} has no trial yet{queued}, so nobody knows which values"
            ' are legal; pass search_space={"lr": FloatDistribution(1e-5, 1e-1, log=True), ...}.'
        )
    return {name: d for name, d in distributions.items() if not d.single()}


def usable(
    sources: Sequence[Source],
    distributions: Mapping[str, BaseDistribution],
    n_objectives: int,
    *,
    rename: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    is_auto: bool = False,
) -> tuple[list[Match], list[str]]:
    """Return the sources that can be used, held against the new space; and why others cannot.

    Args:
        sources: The sources.
        distributions: The parameters of the new space.
        n_objectives: How many objectives the new study has.
        rename: Names in the new space by names in sources.
        fixed: Values of parameters where they are not parameters.
        is_auto: Whether nobody has named the sources: then half of the parameters must agree.
    """
    matches, unused = [], []
    for source in sources:
        held = match(source, distributions, rename=rename, fixed=fixed)
        if not source.trials:
            unused.append(f"{source.name!r} has no complete trial.")
        elif source.n_objectives != n_objectives:
            unused.append(
                f"{source.name!r} has {_objectives(source.n_objectives)}, the study has"
                f" {_objectives(n_objectives)}."
            )
        elif not held.pairs:
            known = ", ".join(source.distributions) or "none"
            unused.append(
                f"{source.name!r} shares no parameter with the study; its own: {known}. rename="
                " says which is which."
            )
        elif is_auto and held.overlap < _LEAST_OVERLAP:
            unused.append(f"{source.name!r} shares too few parameters with the study.")
        elif not held.comparable:
            unused.append(f"{source.name!r} has no trial with fixed={dict(fixed or {})}.")
        else:
            matches.append(held)
    return matches, unused


def check_words(
    sources: Sequence[Source],
    distributions: Mapping[str, BaseDistribution],
    rename: Any,
    fixed: Any,
) -> None:
    """Raise ConfigurationError for a name that nobody has, or a value that is not legal."""
    for argument, value in (("rename", rename), ("fixed", fixed)):
        if value is not None and not isinstance(value, Mapping):
            raise ConfigurationError(
                f'{shown(argument, value)} must be a mapping, such as {{"eta": "learning_rate"}}'
                f" for rename and {{'dropout': 0.0}} for fixed."
            )
    theirs = {name for source in sources for name in source.distributions}
    for old, new in (rename or {}).items():
        if sources and old not in theirs:
            raise ConfigurationError(_unknown("rename", old, "no source has it", theirs))
        if new not in distributions:
            why = "it is no parameter of the new study"
            raise ConfigurationError(_unknown("rename", new, why, distributions))
    for name, value in (fixed or {}).items():
        if name in distributions and placed(distributions[name], value) is None:
            legal = describe(SearchSpace({name: distributions[name]}), name)
            raise ConfigurationError(f"{shown(f'fixed[{name!r}]', value)} must be {legal}.")
        if sources and name not in theirs and name not in distributions:
            why = "neither a source nor the new study has it"
            raise ConfigurationError(_unknown("fixed", name, why, {*theirs, *distributions}))


def _unknown(argument: str, name: Any, why: str, known: Any) -> str:
    close = difflib.get_close_matches(str(name), list(known), n=1)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"{argument}: {name!r}: {why}.{hint} Known are {', '.join(sorted(known))}."


def _usual(distributions: Mapping[str, BaseDistribution]) -> dict[str, Any]:
    """Return the usual values of the parameters that are well known."""
    found = {n: EmbeddedPrior().lookup(n, d, distributions) for n, d in distributions.items()}
    return {n: prior.value for n, prior in found.items() if prior is not None}


def _is_new(
    usual: Mapping[str, Any], distributions: Mapping[str, BaseDistribution], study: Study
) -> bool:
    """Whether no trial of a study has run the usual values, or is to run them."""
    trials = study.get_trials(deepcopy=False)
    run = [({**fixed_params(t), **t.params}, tuple(distributions)) for t in trials]
    return not Tried.of(SearchSpace(distributions), run).hold(usual)


# --------------------------------------------------------------------------------------
# In words


def _rows(held: Match) -> list[tuple[str, str, str]]:
    rows = [
        (p.target, f"<- {p.source}", p.how + (f": {p.form}" if p.form else "")) for p in held.pairs
    ]
    for name in held.new:
        known = name in held.fixed
        rows.append((name, "", f"was {format_value(held.fixed[name])}" if known else "new"))
    for name in held.dropped:
        n_left = len(held.comparable)
        n_all = len(held.source.trials)
        left = "" if n_left == n_all else f"; {n_left} of {n_all} trials compare"
        rows.append(("-", f"<- {name}", f"no longer a parameter{left}"))
    return rows


def _aligned(rows: Sequence[tuple[str, str, str]]) -> list[str]:
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    return [f"{a:{widths[0]}}  {b:{widths[1]}}  {c}".rstrip() for a, b, c in rows]


def _objectives(n: int) -> str:
    return "one objective" if n == 1 else f"{n} objectives"
