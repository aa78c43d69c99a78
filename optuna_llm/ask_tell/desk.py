"""A study that commands and servers work at: how it is set up, and how it is opened again.

The set-up stands in the study, so that a command needs no more than a storage and a name.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import Any

import optuna
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution

from optuna_llm.agent import AgentSampler
from optuna_llm.ask_tell.conditions import Conditions
from optuna_llm.ask_tell.space_file import checked
from optuna_llm.ask_tell.space_file import conditions
from optuna_llm.ask_tell.space_file import distributions
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ConflictError
from optuna_llm.history.history import History
from optuna_llm.history.stored import load_study
from optuna_llm.history.stored import open_storage
from optuna_llm.history.stored import storage_errors
from optuna_llm.history.study_store import StudyStore
from optuna_llm.sharing.checks import checked_configurations


if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution

    from optuna_llm.space.search_space import SearchSpace


_KEY = "llm:setup"


@dataclass(frozen=True)
class Setup:
    """What a study was created with.

    Attributes:
        space: The parameters, as :mod:`optuna_llm.ask_tell.space_file` describes them.
        about: What the study is about, in a few words; "" where nobody has said it.
        n_trials: How many trials it will have; None where that is not known.
        seed: Seed of its sampler.
        known_good: Configurations to try first.
    """

    space: dict[str, dict[str, Any]] = field(default_factory=dict)
    about: str = ""
    n_trials: int | None = None
    seed: int | None = None
    known_good: list[dict[str, Any]] = field(default_factory=list)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """The parameters as Optuna knows them; none where nobody has announced any."""
        return distributions(self.space) if self.space else {}

    @property
    def conditions(self) -> Conditions:
        """When they apply."""
        return conditions(self.space, self.distributions)

    def sampler(self) -> AgentSampler:
        """Return the sampler of the study."""
        return AgentSampler(
            self.distributions,
            known_good=self.known_good,
            about=self.about or None,
            n_trials=self.n_trials,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Desk:
    """A study, opened to be worked at.

    Attributes:
        study: The study, with its sampler.
        setup: How it is set up.
        sampler: Its sampler.
    """

    study: Study
    setup: Setup
    sampler: AgentSampler

    def history(self) -> History:
        """Return the trials as they are now."""
        return History.from_study(self.study, None, self.setup.distributions)

    def space(self, history: History) -> SearchSpace:
        """Return the parameters, announced or seen in trials.

        Raises:
            ConfigurationError: There are none yet.
        """
        space = history.search_space()
        # What is announced as conditional need not be seen first.
        known = self.setup.conditions.when.keys() & space.distributions.keys()
        space = replace(space, optional=space.optional | known)
        if len(space) == 0:
            raise ConfigurationError(
                f"study={self.study.study_name!r} has no parameters yet; announce them with"
                " 'optuna-llm new STORAGE STUDY --space FILE'"
            )
        return space

    def begin(self, n: int) -> list[optuna.Trial]:
        """Begin trials, each with values of all parameters that apply in it.

        Raises:
            ConfigurationError: Nothing is known of the parameters.
        """
        known = self.setup.distributions or self.space(self.history()).distributions
        conditions = replace(self.setup.conditions, distributions=known)
        trials = []
        for _ in range(n):
            trial, params = self.study.ask(), dict[str, Any]()
            for name in conditions.order:
                if conditions.apply(name, params):
                    params[name] = _value(trial, name, known[name])
            trials.append(trial)
        return trials


def _value(trial: optuna.Trial, name: str, distribution: BaseDistribution) -> Any:
    """Ask a trial for the value of a parameter, as an objective does."""
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        ends = (distribution.low, distribution.high)
        return trial.suggest_int(name, *ends, step=distribution.step, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    low, high, log = distribution.low, distribution.high, distribution.log
    return trial.suggest_float(name, low, high, step=distribution.step, log=log)


def open_desk(storage: str, name: str) -> Desk:
    """Open a study that is there, whoever has created it.

    Raises:
        ConfigurationError: The storage cannot be opened or holds no such study.
        StorageError: The storage does not answer.
    """
    with storage_errors():
        study = load_study(storage, name)
        setup = Setup(**StudyStore(study).read().get(_KEY, {}))
        study.sampler = sampler = setup.sampler()
    return Desk(study, setup, sampler)


def new(
    storage: str,
    name: str,
    space: Mapping[str, Mapping[str, Any]],
    directions: Sequence[str] = ("minimize",),
    *,
    metrics: Sequence[str] = (),
    about: str = "",
    n_trials: int | None = None,
    seed: int | None = None,
    known_good: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Create a study, or find the same one there already.

    A study that was created without a space, such as by a Python program, gets this one.

    Args:
        storage: Its URL, or the file of a journal.
        name: Name of the study.
        space: The parameters, as :mod:`optuna_llm.ask_tell.space_file` describes them.
        directions: ``minimize`` or ``maximize``, for each objective.
        metrics: A name for each objective.
        about: What the study is about, in a few words.
        n_trials: How many trials it will have, where that is known.
        seed: Seed of its sampler.
        known_good: Configurations to try first.

    Returns:
        ``study``, ``created`` (False where it was there), ``directions``, ``space``.

    Raises:
        ConfigurationError: An argument is wrong, or the storage cannot be opened.
        ConflictError: There is another study of this name.
        StorageError: The storage does not answer.
    """
    if not name.strip():
        raise ConfigurationError(f"study={name!r} is no name; give it one, such as 'resnet-lr'")
    wanted: list[Any] = list(directions)
    if not wanted or not set(wanted) <= {"minimize", "maximize"}:
        raise ConfigurationError(f"direction={wanted} is not known; use minimize or maximize")
    if metrics and len(metrics) != len(wanted):
        raise ConfigurationError(
            f"metric={list(metrics)} names {len(metrics)} of {len(wanted)} objectives; give a"
            " name for each direction"
        )
    known = list(checked_configurations(known_good))
    setup = Setup(checked(space), about, n_trials, seed, known)
    setup.sampler()  # Whatever is wrong with its arguments is to show before anything is stored.
    for index, configuration in enumerate(known):
        setup.conditions.check(f"known_good[{index}]", configuration)
    with storage_errors():
        opened = open_storage(storage)
        was_there = name in optuna.get_all_study_names(opened)
        study = optuna.create_study(
            storage=opened, study_name=name, directions=wanted, load_if_exists=True
        )
        have = [d.name.lower() for d in study.directions]
        stored = StudyStore(study).read().get(_KEY)
        if have != wanted:
            raise ConflictError(
                f"study={name!r} is there and has the directions {have}, not {wanted}; choose"
                " another name, or the same directions"
            )
        if stored is not None and Setup(**stored) != setup:
            differs = [k for k, v in vars(setup).items() if v != getattr(Setup(**stored), k)]
            raise ConflictError(
                f"study={name!r} is there and has another {' and '.join(differs)}; choose another"
                " name, or give what it was created with"
            )
        if metrics:
            study.set_metric_names(list(metrics))
        StudyStore(study).write(_KEY, vars(setup))
    return {
        "study": name,
        "created": not was_there,
        "directions": have,
        "space": setup.space,
    }
