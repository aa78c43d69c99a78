"""What the demonstration found: by each sampler and seed, and by the default configuration."""

from __future__ import annotations

from dataclasses import dataclass
import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from optuna.trial import TrialState


if TYPE_CHECKING:
    from optuna import Study
    from optuna.trial import FrozenTrial


OURS, TPE, RANDOM = "LLMSampler", "TPE", "random search"
# The user attribute that says why the library refused a configuration.
REASON_KEY = "error"


@dataclass(frozen=True)
class Search:
    """One sampler's search with one seed.

    Attributes:
        sampler: Its name for people.
        seed: The seed.
        study: Its study.
        test_errors: Errors (n,) of its best configuration on the rows that no search has seen.
    """

    sampler: str
    seed: int
    study: Study
    test_errors: npt.NDArray[np.float64]

    @property
    def best(self) -> FrozenTrial | None:
        """Its best trial; None where no trial is complete."""
        return best_trial(self.study)

    @property
    def score(self) -> float:
        """The best value that the search has seen; infinite where it has seen none."""
        return math.inf if self.best is None or self.best.value is None else self.best.value

    @property
    def test(self) -> float:
        """Mean of the test errors."""
        return float(self.test_errors.mean())

    @property
    def n_refused(self) -> int:
        """The number of its trials whose configuration the library refused."""
        return sum(REASON_KEY in t.user_attrs for t in self.study.get_trials(deepcopy=False))


@dataclass(frozen=True)
class Result:
    """What the demonstration found.

    Attributes:
        searches: One of each sampler and seed, the seeds one after another, ours first.
        n_trials: The trials of each.
        default_score: The objective with the default configuration.
        default_test_errors: Its errors (n,) on the rows that no search has seen.
    """

    searches: tuple[Search, ...]
    n_trials: int
    default_score: float
    default_test_errors: npt.NDArray[np.float64]

    @property
    def seeds(self) -> list[int]:
        """The seeds, in the order in which they were run."""
        return list(dict.fromkeys(s.seed for s in self.searches))

    @property
    def samplers(self) -> list[str]:
        """The names of the samplers, ours first."""
        return list(dict.fromkeys(s.sampler for s in self.searches))

    def of_seed(self, seed: int) -> list[Search]:
        """Return the searches of a seed, ours first."""
        return [s for s in self.searches if s.seed == seed]

    def of_sampler(self, sampler: str) -> list[Search]:
        """Return the searches of a sampler, by seed."""
        return [s for s in self.searches if s.sampler == sampler]


def best_trial(study: Study) -> FrozenTrial | None:
    """Return the best trial of a study; None where none is complete."""
    complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    return min(complete, key=lambda t: (t.value, t.number), default=None)
