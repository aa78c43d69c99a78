"""Where the best learning rate of a network lies."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.dev.network import LOSSES
from benchmarks.dev.network import RATES
from benchmarks.dev.network import TABLE
from benchmarks.dev.network import best_rate
from benchmarks.dev.network import usual
from optuna_llm.prior import Scale


def test_the_best_rate_is_the_vertex_between_rates_of_the_grid() -> None:
    losses = np.exp((np.log10(RATES) + 1.6) ** 2)
    assert best_rate(RATES, np.array([losses, 2 * losses])) == pytest.approx(10**-1.6)
    assert best_rate(RATES, np.array([RATES])) == RATES[0]


def test_the_table_foretells_by_todays_rules() -> None:
    rows = np.genfromtxt(TABLE, delimiter=",", skip_header=1)
    assert len(rows) == 12
    for width, batch, _, at_first, by_sizes, spread, _ in rows:
        assert usual()[0] == at_first
        assert usual(Scale(width=width, batch=batch)) == pytest.approx(
            (by_sizes, spread), rel=5e-3
        )
    losses = np.genfromtxt(LOSSES, delimiter=",", names=True)
    width, batch, found = rows[4][:3]
    chosen = losses[(losses["width"] == width) & (losses["batch"] == batch)]
    assert best_rate(np.unique(chosen["rate"]), chosen["loss"].reshape(2, -1)) == pytest.approx(
        found, rel=5e-3
    )
