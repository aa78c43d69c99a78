"""Acquisition functions of predicted quantiles; a higher utility is better, values are minimised.

All take quantiles of shape (m, levels), as the surrogates return them, and return utilities of
shape (m,).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def even_levels(n: int) -> np.ndarray:
    """Return n evenly spaced quantile levels j / (n + 1), shape (n,)."""
    return np.arange(1, n + 1) / (n + 1)


def thompson_sampling(quantiles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return minus one of its quantiles for each candidate, drawn independently.

    Section 4 of Salinas et al. 2023. With many candidates the best draw is nearly always one of
    the lowest level; the draw thins the pool at random, which keeps the search from sitting on
    one peak.
    """
    m, n_levels = quantiles.shape
    return np.asarray(-quantiles[np.arange(m), rng.integers(n_levels, size=m)])


def lower_confidence_bound(quantiles: np.ndarray) -> np.ndarray:
    """Return minus the lowest of the predicted quantiles."""
    return np.asarray(-quantiles.min(axis=1))


def repetition_gain(means: np.ndarray, deviations: np.ndarray, noise: float) -> np.ndarray:
    """Return how much better a final choice is expected to be after one more evaluation of each.

    The knowledge gradient (Frazier, Powell and Dayanik 2009) of alternatives that tell nothing of
    one another: an evaluation may raise another one above the best, or the best below the second.

    Args:
        means: Expectations of m >= 1 alternatives, lower is better.
        deviations: How well they are known, standard deviations (m,), at least one positive.
        noise: Standard deviation of an evaluation, positive.

    Returns:
        Shape (m,), in units of the means.
    """
    from scipy.stats import norm

    # By how much an expectation is going to move.
    moves = deviations**2 / np.sqrt(deviations**2 + noise**2) + 1e-300
    best = int(np.argmin(means))
    others = np.full(len(means), means[best])
    others[best] = np.delete(means, best).min(initial=np.inf)
    gap = -np.abs(means - others) / moves
    return np.asarray(moves * np.where(np.isfinite(gap), gap * norm.cdf(gap) + norm.pdf(gap), 0.0))


def expected_improvement(
    quantiles: np.ndarray, levels: Sequence[float] | np.ndarray, incumbent: float
) -> np.ndarray:
    """Return the expected amount by which a candidate falls below the incumbent.

    The mean of ``max(incumbent - quantile(u), 0)`` over u in [0, 1]; each level stands for the
    interval of u nearest to it.

    Args:
        quantiles: Shape (m, levels), increasing along each row.
        levels: Their levels in (0, 1), increasing.
        incumbent: The value to improve on, in units of the quantiles.

    Returns:
        Shape (m,), in units of the quantiles, never negative.
    """
    levels = np.asarray(levels, dtype=float)
    edges = np.concatenate([[0.0], (levels[1:] + levels[:-1]) / 2, [1.0]])
    return np.asarray(np.maximum(incumbent - quantiles, 0.0) @ np.diff(edges))


def log_expected_improvement(
    quantiles: np.ndarray, levels: Sequence[float] | np.ndarray, incumbent: float
) -> np.ndarray:
    """Return the logarithm of the expected improvement, with normal tails beyond the quantiles.

    The quantiles of a candidate are taken for those of a normal distribution: the median of the
    levels gives its mean, the outermost ones its deviation. Candidates with hardly any chance to
    improve keep an order, which :func:`expected_improvement` does not give them (Ament et al.
    2023).

    Args:
        quantiles: Shape (m, levels), increasing along each row.
        levels: An odd number of levels in (0, 1), increasing and symmetric about 1/2.
        incumbent: The value to improve on, in units of the quantiles.

    Returns:
        Shape (m,).
    """
    from scipy.special import log_ndtr
    from scipy.special import ndtr
    from scipy.special import ndtri

    lowest, highest = ndtri(levels[0]), ndtri(levels[-1])
    mean = quantiles[:, quantiles.shape[1] // 2]
    deviation = (quantiles[:, -1] - quantiles[:, 0]) / (highest - lowest) + 1e-9
    u = (incumbent - mean) / deviation
    log_density = -(u**2 + np.log(2 * np.pi)) / 2
    # density(u) + u Phi(u); below zero the two nearly cancel, far below density / u^2 is left.
    above = np.maximum(u, -1.0)
    direct = np.log(np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi) + above * ndtr(above))
    middle = np.clip(u, -30.0, -1.0)
    cancelling = np.log1p(middle * np.exp(log_ndtr(middle) + (middle**2 + np.log(2 * np.pi)) / 2))
    far = -2 * np.log(np.maximum(-u, 1.0))
    scaled = np.where(u > -1, direct, log_density + np.where(u > -30, cancelling, far))
    return np.asarray(scaled + np.log(deviation))
