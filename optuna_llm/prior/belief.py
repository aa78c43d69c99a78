"""A belief about good configurations that knows each parameter by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
import functools

import numpy as np

from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace


# Knowledge of a usual value is never taken for sharper than this share of the range, ...
_LEAST_SPREAD = 0.12
# ... and of what is far from it, it says no more than that: nats below the best, for a number and
# for a choice.
_FAR = 4.0
_UNUSUAL = 2.0
_N_GRID = 65


@dataclass(frozen=True)
class Marginal:
    """Where good values of one parameter are believed to lie.

    Attributes:
        centre: Of a number, or of choices that are numbers: its coordinate in [0, 1].
        spread: Standard deviation around it, in the unit interval.
        weights: Of other choices: how probable each is, in their order; empty for a number.
    """

    centre: float = 0.5
    spread: float = 1.0
    weights: tuple[float, ...] = ()

    @classmethod
    def of_choices(cls, weights: Sequence[float], coordinates: Sequence[float]) -> Marginal:
        """Return the marginal of choices that are numbers: their weighted mean and deviation."""
        w = np.asarray(weights, dtype=float) / np.sum(weights)
        at = np.asarray(coordinates, dtype=float)
        centre = float(w @ at)
        return cls(centre, float(np.sqrt(w @ (at - centre) ** 2)))

    def number_density(self, x: np.ndarray) -> np.ndarray:
        """Return the log-density of numbers, relative to the centre's, shape of x."""
        gap = (x - self.centre) / max(self.spread, _LEAST_SPREAD)
        return np.maximum(-(gap**2) / 2, -_FAR)

    @functools.cached_property
    def choice_density(self) -> np.ndarray:
        """The log-probability of each choice, relative to the most probable one's."""
        w = np.array(self.weights) / max(self.weights)
        return np.maximum(np.log(np.maximum(w, 1e-300)), -_UNUSUAL)


class Marginals:
    """A belief made of marginals: parameters are taken for independent.

    Args:
        space: The parameters.
        marginals: For each parameter what is believed of it, None where nothing is.
        explanation: In words, what is believed and who says so.

    Attributes:
        explanation: The same.
        uniform_moments: Mean and standard deviation of :meth:`log_density` over the space.
    """

    def __init__(
        self, space: SearchSpace, marginals: Sequence[Marginal | None], explanation: str
    ) -> None:
        self.explanation = explanation
        encoding = Encoding(space)
        self._domain = encoding.domain
        self._known = [
            (column, slice(first, first + max(len(marginal.weights), 1)), marginal)
            for column, (first, marginal) in enumerate(
                zip(encoding.first_feature.tolist(), marginals, strict=True)
            )
            if marginal is not None
        ]
        densities = [
            marginal.choice_density
            if marginal.weights
            else marginal.number_density(np.linspace(0, 1, _N_GRID))
            for _, _, marginal in self._known
        ]
        self._means = [float(density.mean()) for density in densities]
        variance = sum(float(density.var()) for density in densities)
        self.uniform_moments = sum(self._means), float(np.sqrt(variance))

    def __bool__(self) -> bool:
        """Whether anything is believed."""
        return self.uniform_moments[1] > 0

    def log_density(self, X: np.ndarray) -> np.ndarray:
        """Return the log-density at features (m, f), up to a constant: shape (m,), in nats.

        Of what is inactive nothing is said: it counts as the mean over its values.
        """
        total = np.zeros(len(X))
        for (_, columns, marginal), mean in zip(self._known, self._means, strict=True):
            x = X[:, columns]
            density = (
                x @ marginal.choice_density
                if marginal.weights
                else marginal.number_density(x[:, 0])
            )
            total += np.where(np.isnan(density), mean, density)
        return total

    def sample(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return n configurations as coordinates, shape (n, parameters).

        What nothing is believed of is uniform.
        """
        unit = rng.random((n, len(self._domain.n_choices)))
        for column, _, marginal in self._known:
            if marginal.weights:
                w = np.exp(marginal.choice_density)
                chosen = rng.choice(len(w), size=n, p=w / w.sum())
                unit[:, column] = (chosen + 0.5) / len(w)
            else:
                spread = max(marginal.spread, _LEAST_SPREAD)
                drawn = marginal.centre + spread * rng.standard_normal(n)
                unit[:, column] = np.clip(drawn, 0.0, 1.0)
        return self._domain.at(unit)
