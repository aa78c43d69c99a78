"""continue_study: a study whose search space has changed in the middle goes on as a new one."""

from __future__ import annotations

from collections.abc import Mapping
import copy
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.exceptions import DuplicatedStudyError
from optuna.trial import FrozenTrial

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.attributes import PROPOSAL_KEY
from optuna_llm.history.attributes import TRANSFERRED_KEY
from optuna_llm.history.study_store import check_study
from optuna_llm.sharing.checks import checked_space
from optuna_llm.sharing.checks import shown
from optuna_llm.transfer.matching import Match
from optuna_llm.transfer.matching import match
from optuna_llm.transfer.plan import check_words
from optuna_llm.transfer.sources import SourceTrial
from optuna_llm.transfer.sources import of_study
from optuna_llm.transfer.warm_start import warm_start


if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.storages import BaseStorage


_logger = optuna.logging.get_logger(f"optuna.{__name__}")


def continue_study(
    old: Study,
    *,
    name: str,
    search_space: Mapping[str, BaseDistribution] | None = None,
    rename: Mapping[str, str] | None = None,
    fixed: Mapping[str, Any] | None = None,
    storage: str | BaseStorage | None = None,
    sampler: BaseSampler | None = None,
    pruner: BasePruner | None = None,
    n: int = 5,
) -> Study:
    """Go on with a study after its space has changed: another choice, range, name or parameter.

    Optuna lets nobody change the choices of a parameter in a study. The new study takes over all
    finished trials that would mean the same in the new space, with their results; nothing is
    evaluated twice. Where there are none, because a parameter has been added whose value so far
    nobody has told, it begins with the best old trials, as :func:`optuna_llm.warm_start` does.
    The old study is not touched.

    .. testcode::

        import optuna
        from optuna.distributions import CategoricalDistribution
        from optuna_llm import continue_study


        def objective(trial: optuna.Trial, models: tuple[str, ...] = ("forest", "svm")) -> float:
            model = trial.suggest_categorical("model", models)
            return len(model) * trial.suggest_float("x", 0, 1)


        old = optuna.create_study(study_name="models")
        old.optimize(objective, n_trials=10)
        models = ("forest", "svm", "boosting")
        space = {"model": CategoricalDistribution(models)}
        new = continue_study(old, name="models 2", search_space=space)
        new.optimize(lambda trial: objective(trial, models), n_trials=10)

    Args:
        old: The study.
        name: Name of the new study.
        search_space: The distributions that have changed, and those of new parameters; others are
            as they were.
        rename: New names by old names.
        fixed: Of a new parameter the value that the objective had so far; of one that is gone the
            value that it has from now on.
        storage: Where the new study is kept, by default where the old one is.
        sampler: Of the new study.
        pruner: Of the new study.
        n: How many of the best old trials are enqueued where none can be taken over.

    Returns:
        The new study, with the directions and metric names of the old one.

    Raises:
        ConfigurationError: An argument is wrong, or there is such a study already.
    """
    check_study(old)
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{shown('name', name)} must name the new study.")
    source = of_study(old, "old")
    space = _changed_space(source.distributions, checked_space(search_space), rename, fixed)
    check_words([source], space, rename, fixed)
    held = match(source, space, rename=rename, fixed=fixed)
    try:
        new = optuna.create_study(
            study_name=name,
            storage=old._storage if storage is None else storage,
            directions=old.directions,
            sampler=sampler,
            pruner=pruner,
        )
    except DuplicatedStudyError:
        raise ConfigurationError(
            f"{shown('name', name)}: there is such a study already; choose another name, or go on"
            " with it by optuna.load_study."
        ) from None
    if old.metric_names is not None:
        new.set_metric_names(old.metric_names)
    finished = [t for t in old.get_trials(deepcopy=False) if t.state.is_finished()]
    kept = [moved for t in finished if (moved := _taken_over(t, held, old.study_name)) is not None]
    new.add_trials(kept)
    _logger.info(f"{name!r} takes over {len(kept)} of {len(finished)} trials.")
    if not any(t.values is not None for t in kept) and source.trials:
        warm_start(new, old, n=n, search_space=space, rename=rename, fixed=fixed)
    return new


def _changed_space(
    old: Mapping[str, BaseDistribution],
    changed: Mapping[str, BaseDistribution],
    rename: Mapping[str, str] | None,
    fixed: Mapping[str, Any] | None,
) -> dict[str, BaseDistribution]:
    """Return the new space: the old one, renamed, without what is fixed now, and the changes."""
    names = rename if isinstance(rename, Mapping) else {}
    space = {names.get(n, n): d for n, d in old.items()}
    gone = {n for n in (fixed if isinstance(fixed, Mapping) else {}) if n not in changed}
    return {**{n: d for n, d in space.items() if n not in gone}, **changed}


def _taken_over(trial: FrozenTrial, held: Match, study: str) -> FrozenTrial | None:
    """Return a trial as it is in the new space; None where it does not mean the same there."""
    carried = held.carry(SourceTrial(trial.number, trial.params, 0))
    is_whole = not carried.lost and not carried.changed
    is_known = all(name in held.fixed for name in held.new)
    is_same = all(trial.params.get(n, v) == v for n, v in held.fixed.items() if n in held.dropped)
    if not (is_whole and is_known and is_same):
        return None
    moved = copy.copy(trial)
    moved.params = carried.params
    moved.distributions = {n: held.distributions[n] for n in carried.params}
    moved.user_attrs = {**trial.user_attrs, TRANSFERRED_KEY: f"trial {trial.number} of {study!r}"}
    # What the samplers have recorded speaks of trials by their numbers in the old study.
    moved.system_attrs = {
        k: v for k, v in trial.system_attrs.items() if not k.startswith(PROPOSAL_KEY)
    }
    return moved
