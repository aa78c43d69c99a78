"""Which version of an open parameter a trial runs.

New choices are run as the number of trials grows, about as its square root: more could not be told
apart (Wang, Audibert and Munos 2008, infinitely many-armed bandits). Among the others our samplers
choose together with all other parameters: their surrogate has a choice for each version, and one
that stands for whatever has not been run. Beside other samplers our statistical sampler is asked
for the version alone, given what the trial has chosen so far.
"""

from __future__ import annotations

from collections import Counter
import math
from typing import TYPE_CHECKING

from optuna_llm.cqr import CQRSampler
from optuna_llm.history.history import History
from optuna_llm.history.versions import OFFER_KEY
from optuna_llm.history.versions import Offer
from optuna_llm.history.versions import stored_choice
from optuna_llm.sharing.base_point import ask
from optuna_llm.sharing.delegating import DelegatingSampler
from optuna_llm.space.versions import NEW


if TYPE_CHECKING:
    from collections.abc import Sequence

    from optuna import Trial


# As many versions as this times the square root of the number of trials that run them.
_WIDENING = 2.0
# Before these many trials a version there is nothing to be learnt of it.
_TRIALS_A_VERSION = 2
_MAX_STARTUP = 8


def chosen_version(trial: Trial, name: str, versions: Sequence[int], new: int) -> int:
    """Return the version that a trial is to run.

    Args:
        trial: The trial, running.
        name: Name of the parameter.
        versions: The numbers of the versions that may be chosen.
        new: How many choices there are beside them that no trial has run.

    Returns:
        One of the numbers, or :data:`~optuna_llm.space.versions.NEW`.
    """
    offer = Offer(tuple(versions), new)
    key, value = OFFER_KEY + name, offer.to_dict(trial.number)
    trial.study._storage.set_trial_system_attr(trial._trial_id, key, value)
    options = [*versions, *([NEW] if new else [])]
    if len(options) == 1:
        return options[0]
    counts = _counts(trial, name)
    n_run = sum(counts[number] for number in versions)
    if new and len(versions) < _WIDENING * math.sqrt(n_run + 1):
        return NEW
    proposed = None
    if isinstance(trial.study.sampler, DelegatingSampler):
        proposed = trial.relative_params.get(name)
    if proposed not in options:
        proposed = _advised(trial, name, len(options))
    # Until there is anything to be learnt, each one gets its turn.
    least = min(options, key=lambda number: (counts[number], number))
    return proposed if proposed in options else least


def _advised(trial: Trial, name: str, n_options: int) -> int | None:
    """Return what our statistical sampler advises, given what the trial has chosen already."""
    study = trial.study
    frozen = study._storage.get_trial(trial._trial_id)
    history = History.from_study(study, frozen)
    if name not in history.parameters:
        return None
    n_startup = min(_TRIALS_A_VERSION * n_options, _MAX_STARTUP)
    # Its random numbers also depend on the trial's number; equal studies go equal ways.
    adviser = CQRSampler(n_startup_trials=n_startup, prior=False, seed=0)
    advised = ask(adviser, study, frozen, history.parameters).params.get(name)
    return None if advised is None else int(advised)


def _counts(trial: Trial, name: str) -> Counter[int]:
    """Return how many trials have run each version."""
    return Counter(
        t.params[name]
        for t in trial.study._get_trials(deepcopy=False, use_cache=False)
        if name in t.params and stored_choice(t, name) is not None
    )
