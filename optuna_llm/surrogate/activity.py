"""Which parameters a configuration would have: conditional spaces, learned from those seen."""

from __future__ import annotations

import numpy as np


class Activity:
    """Rules of the form "parameter p is active where parameter q is so", read off known rows.

    A define-by-run objective never says why it asks for a parameter. But in almost every
    conditional space the reason is the value of one other parameter: a choice, or a number
    beyond a threshold. For each parameter that is sometimes inactive, the one parameter that
    explains this best is found among those that are active whenever it is. A parameter whose
    reason is inactive is inactive too, so nested conditions follow.

    Args:
        coordinates: Known configurations, shape (n, parameters); NaN where inactive.
        n_choices: Number of choices of each parameter, 0 for a numeric one.
    """

    def __init__(self, coordinates: np.ndarray, n_choices: np.ndarray) -> None:
        active = ~np.isnan(coordinates)
        # Reasons before what follows from them.
        order = np.argsort(-active.sum(axis=0), kind="stable")
        self._rules = []
        for p in order:
            if active[:, p].all():
                continue
            rules = [
                _Rule(int(q), coordinates[active[:, q], q], active[active[:, q], p], n_choices[q])
                for q in order
                if active[:, q].sum() > active[:, p].sum() and active[active[:, p], q].all()
            ]
            if rules:
                self._rules.append((int(p), min(rules, key=lambda rule: rule.errors)))

    def apply(self, coordinates: np.ndarray) -> np.ndarray:
        """Return a copy of configurations (m, parameters) with inactive values set to NaN."""
        coordinates = coordinates.copy()
        for p, rule in self._rules:
            coordinates[~rule.active(coordinates[:, rule.column]), p] = np.nan
        return coordinates


class _Rule:
    """The values of one column that make a parameter active, and how many rows disagree."""

    def __init__(self, column: int, values: np.ndarray, active: np.ndarray, n_choices: int):
        self.column = column
        self._n_choices = int(n_choices)
        if self._n_choices:
            index = values.astype(int)
            n_active = np.bincount(index, active, self._n_choices)
            n_all = np.bincount(index, minlength=self._n_choices)
            # A choice never seen may need everything.
            self._by_choice = 2 * n_active >= n_all
            self.errors = int(np.minimum(n_active, n_all - n_active).sum())
            return
        order = np.argsort(values, kind="stable")
        ordered = values[order]
        below = np.concatenate([[0], np.cumsum(active[order])])
        n_below = np.arange(len(values) + 1)
        # Errors of "active above the cut" and of "active below the cut", for each cut.
        above_errors = below + (len(values) - n_below) - (below[-1] - below)
        errors = np.array([above_errors, len(values) - above_errors])
        # No cut between equal values.
        errors[:, 1:-1][:, ordered[1:] == ordered[:-1]] = len(values) + 1
        side, cut = np.unravel_index(errors.argmin(), errors.shape)
        edges = np.concatenate([[-np.inf], (ordered[1:] + ordered[:-1]) / 2, [np.inf]])
        self._threshold, self._above = edges[cut], side == 0
        self.errors = int(errors[side, cut])

    def active(self, values: np.ndarray) -> np.ndarray:
        """Say for each value (m,) whether the parameter is active; not where it is NaN."""
        known = ~np.isnan(values)
        if self._n_choices:
            return np.asarray(known & self._by_choice[np.where(known, values, 0).astype(int)])
        return np.asarray(known & ((values > self._threshold) == self._above))
