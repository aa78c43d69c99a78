"""What earlier studies teach the surrogate of a new one, as far as its own results agree."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.study import StudyDirection

from optuna_llm.sharing.per_study import PerStudy
from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.surrogate.belief import Belief
from optuna_llm.surrogate.ranked import RankedStudy
from optuna_llm.surrogate.ranked import rank_agreement
from optuna_llm.transfer.family import find_family
from optuna_llm.transfer.matching import Match
from optuna_llm.transfer.plan import usable
from optuna_llm.transfer.sources import read_sources


if TYPE_CHECKING:
    from optuna import Study

    from optuna_llm.history.history import History


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# A source is modelled by at least this many trials, and at most.
_MIN_ROWS = 4
_MAX_ROWS = 60
# So many sources take part at once: those that agree best.
_MAX_SOURCES = 4
# Kendall's tau that a source is given before any result, and how many results that counts as.
_PRIOR_AGREEMENT = 0.4
_PRIOR_TRIALS = 4
_MAX_COMPARED = 100
_N_MOMENTS = 512


class EarlierStudies:
    """Sources of a sampler: what they say of a space, weighted by how they agree with the study.

    A source's weight is Kendall's tau between the ranks that it predicts of the study's trials and
    the ranks that these have had, shrunk towards a fair trust; not below 0. The trials that were
    transferred tell most: both have measured them.

    Args:
        sources: See :func:`optuna_llm.warm_start`.
        rename: Names in the new study by names in the sources.
        fixed: Values of parameters where they are not parameters.

    Raises:
        ConfigurationError: A source cannot be read.
    """

    def __init__(
        self,
        sources: Any,
        rename: Mapping[str, str] | None = None,
        fixed: Mapping[str, Any] | None = None,
    ) -> None:
        self._is_auto = isinstance(sources, str) and sources == "auto"
        minimized = [StudyDirection.MINIMIZE]
        self._sources = [] if self._is_auto else read_sources(sources, minimized)
        self._rename, self._fixed = rename, fixed
        self._forget()

    @classmethod
    def of(cls, sources: Any) -> EarlierStudies | None:
        """Return sources as these; None for None."""
        return sources if sources is None or isinstance(sources, cls) else cls(sources)

    def _forget(self) -> None:
        # The sources as they were matched and fitted to the newest space of a study.
        self._fitted = PerStudy[tuple[str, list[_Fitted]]]()

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_fitted"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._forget()

    def belief(self, study: Study, space: SearchSpace, history: History) -> Belief | None:
        """Return what the sources say of a space; None where they say nothing, or only wrong.

        Args:
            study: The study.
            space: Its parameters.
            history: Its trials.
        """
        trusted = self._trusted(study, space, history)
        return Taught(space, trusted) if trusted else None

    def best(self, study: Study, space: SearchSpace, history: History) -> list[dict[str, Any]]:
        """Return what the best trial of each trusted source is in a space, the most trusted first.

        Args:
            study: The study.
            space: Its parameters.
            history: Its trials.
        """
        trusted = self._trusted(study, space, history)
        return [one.match.carry(one.match.comparable[0]).params for _, one in trusted]

    def _trusted(
        self, study: Study, space: SearchSpace, history: History
    ) -> list[tuple[float, _Fitted]]:
        """Return the sources that agree best with a study, and their weights."""
        known = self._known(study, space, history)
        ranked = [o for o in history.ranking if o.values is not None]
        ranked = ranked[:: 1 + len(ranked) // _MAX_COMPARED]
        features = Encoding(space).features(space.coordinates([o.params for o in ranked]))
        found = np.arange(len(ranked))
        prior = _PRIOR_TRIALS * _PRIOR_AGREEMENT
        weights = [
            (len(found) * rank_agreement(one.predict(features), found) + prior)
            / (len(found) + _PRIOR_TRIALS)
            for one in known
        ]
        order = sorted(range(len(known)), key=weights.__getitem__, reverse=True)[:_MAX_SOURCES]
        return [(weights[i], known[i]) for i in order if weights[i] > 0]

    def _known(self, study: Study, space: SearchSpace, history: History) -> list[_Fitted]:
        key = repr(space.distributions)
        known = self._fitted.get(study)
        if known is None or known[0] != key:
            known = self._fitted.set(study, (key, self._fit(study, space.distributions, history)))
        return known[1]

    def _fit(
        self, study: Study, distributions: Mapping[str, BaseDistribution], history: History
    ) -> list[_Fitted]:
        sources = find_family(study) if self._is_auto else self._sources
        turned = [s.towards(history.directions[0]) for s in sources]
        matches, unused = usable(
            turned,
            distributions,
            len(history.directions),
            rename=self._rename,
            fixed=self._fixed,
            is_auto=self._is_auto,
        )
        fitted = [_Fitted.of(m, distributions) for m in matches]
        found = [one for one in fitted if one is not None]
        names = ", ".join(repr(one.match.source.name) for one in found) or "none"
        _logger.info(f"Earlier studies that teach {study.study_name!r}: {names}.")
        for reason in unused:
            _logger.info(f"Not used: {reason}")
        return found


@dataclass(frozen=True)
class _Fitted:
    """A source on a space.

    Attributes:
        match: The source, held against the space.
        columns: The features that it knows.
        model: What it says of them.
        best: Coordinates of its best trials, shape (k, parameters), NaN where it knows nothing.
    """

    match: Match
    columns: np.ndarray
    model: RankedStudy
    best: np.ndarray

    @classmethod
    def of(cls, match: Match, distributions: Mapping[str, BaseDistribution]) -> _Fitted | None:
        """Fit a source; None where too few of its trials have a place in the space."""
        carried = [(match.carry(t), t.place) for t in match.comparable]
        whole = [(c.params, place) for c, place in carried if not c.lost]
        if len(whole) < _MIN_ROWS:
            return None
        space = SearchSpace(distributions)
        encoding = Encoding(space)
        coordinates = space.coordinates([params for params, _ in whole])
        features = encoding.features(coordinates)
        columns = np.flatnonzero(~np.isnan(features).all(axis=0))
        places = np.array([place for _, place in whole], dtype=float)
        model = RankedStudy(_MAX_ROWS).fit(features[:, columns], places)
        return cls(match, columns, model, coordinates[: max(4, len(whole) // 10)])

    def predict(self, features: np.ndarray) -> np.ndarray:
        """Return the normal quantile of the rank at features (m, f): (m,), low is good."""
        return self.model.predict(features[:, self.columns])


class Taught:
    """What sources say together: the weighted mean of the ranks that they expect.

    Args:
        space: The parameters.
        sources: Sources that are trusted, with their weights, at least one.

    Attributes:
        uniform_moments: Mean and standard deviation of :meth:`log_density` over the space.
    """

    def __init__(self, space: SearchSpace, sources: Sequence[tuple[float, _Fitted]]) -> None:
        self._sources = sources
        encoding = Encoding(space)
        self._domain = encoding.domain
        uniform = encoding.domain.uniform(_N_MOMENTS, np.random.default_rng(0))
        density = self.log_density(encoding.features(uniform))
        self.uniform_moments = float(density.mean()), float(density.std())

    def log_density(self, X: np.ndarray) -> np.ndarray:
        """Return how good features (m, f) are expected to be: (m,), in deviations of ranks."""
        total = sum(w for w, _ in self._sources)
        expected = sum(w * one.predict(X) for w, one in self._sources)
        return np.asarray(-expected / total)

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n configurations around the best of the sources: (n, parameters)."""
        weights = np.array([w for w, _ in self._sources])
        counts = rng.multinomial(n, weights / weights.sum())
        drawn = [
            self._domain.around(one.best, int(count), rng)
            for (_, one), count in zip(self._sources, counts, strict=True)
        ]
        return np.vstack(drawn)

    @property
    def explanation(self) -> str:
        """The sources and their weights, in words."""
        names = [f"{one.match.source.name!r} ({w:.2f})" for w, one in self._sources]
        return f"what earlier studies found, by their agreement: {', '.join(names)}"
