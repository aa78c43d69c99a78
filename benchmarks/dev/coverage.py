"""Coverage of 80 % and 60 % intervals on exchangeable data, for each surrogate and kind of noise.

python -m benchmarks.dev.coverage --repeats 100
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np

from optuna_llm.surrogate import ConformalQuantileTrees
from optuna_llm.surrogate import QuantileEnsemble


NOISES: dict[str, Callable[[np.random.Generator, np.ndarray], np.ndarray]] = {
    "none": lambda rng, X: np.zeros(len(X)),
    "normal": lambda rng, X: 0.3 * rng.standard_normal(len(X)),
    "heteroscedastic": lambda rng, X: (0.1 + 0.5 * X[:, 3]) * rng.standard_normal(len(X)),
    "skewed": lambda rng, X: 0.3 * rng.exponential(size=len(X)),
}
LEVELS = (0.1, 0.2, 0.8, 0.9)
SURROGATES = {"ensemble": QuantileEnsemble, "gbt": ConformalQuantileTrees}


def draw(n: int, noise: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Return five uniform features and three one-hot ones, and noisy values of a smooth bowl."""
    X = np.zeros((n, 8))
    X[:, :5] = rng.random((n, 5))
    X[np.arange(n), 5 + rng.integers(3, size=n)] = 1
    mean = 3 * ((X[:, :3] - 0.4) ** 2).sum(axis=1) + X[:, 0] * X[:, 1] + 0.5 * X[:, 5]
    return X, mean + NOISES[noise](rng, X)


def main() -> None:
    """Print mean coverage and its standard error."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--surrogates", nargs="+", choices=SURROGATES, default=list(SURROGATES))
    arguments = parser.parse_args()
    for name in arguments.surrogates:
        for n in arguments.sizes:
            for noise in NOISES:
                covered = []
                for repeat in range(arguments.repeats):
                    rng = np.random.default_rng([n, repeat])
                    X, y = draw(n, noise, rng)
                    X_new, y_new = draw(400, noise, rng)
                    q = SURROGATES[name](seed=repeat).fit(X, y).predict(X_new, LEVELS)
                    inside = [(q[:, i] <= y_new) & (y_new <= q[:, -1 - i]) for i in (0, 1)]
                    covered.append(np.mean(inside, axis=1))
                mean = np.mean(covered, axis=0)
                error = np.std(covered, axis=0) / np.sqrt(len(covered))
                print(
                    f"{name:8} n={n:4} {noise:15} 80 %: {mean[0]:.3f} "
                    f"+- {error[0]:.3f}   60 %: {mean[1]:.3f} +- {error[1]:.3f}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
