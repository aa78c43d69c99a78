from __future__ import annotations

import numpy as np
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior.belief import Marginal
from optuna_llm.prior.belief import Marginals
from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace


SPACE = SearchSpace(
    {
        "learning_rate": FloatDistribution(1e-5, 1e-1, log=True),
        "optimizer": CategoricalDistribution(("adam", "sgd", "lion")),
        "batch_size": CategoricalDistribution((16, 32, 64, 128)),
        "unheard_of": FloatDistribution(0, 1),
        "num_layers": IntDistribution(1, 8),
    }
)


def test_the_embedded_prior_believes_in_its_usual_values() -> None:
    belief, encoding = EmbeddedPrior().belief(SPACE), Encoding(SPACE)
    usual = encoding.features(SPACE.coordinates([EmbeddedPrior().default(SPACE.distributions)]))
    rng = np.random.default_rng(0)
    anywhere = encoding.features(encoding.domain.uniform(4000, rng))
    drawn = encoding.features(belief.sample(4000, rng))
    mean, deviation = belief.uniform_moments
    assert belief.log_density(anywhere).mean() == pytest.approx(mean, abs=0.1)
    assert belief.log_density(anywhere).std() == pytest.approx(deviation, rel=0.05)
    assert belief.log_density(usual)[0] > mean + deviation
    assert belief.log_density(drawn).mean() > mean + deviation / 2
    assert "learning_rate" in belief.explanation


def test_what_is_drawn_is_legal_and_unknown_parameters_are_uniform() -> None:
    belief, encoding = EmbeddedPrior().belief(SPACE), Encoding(SPACE)
    drawn = belief.sample(2000, np.random.default_rng(0))
    assert set(drawn[:, 1]) == {0.0, 1.0, 2.0}
    for column in (2, 4):
        assert set(drawn[:, column]) <= set(encoding.domain.grids[column].tolist())
    assert drawn[:, 3].std() == pytest.approx(np.sqrt(1 / 12), rel=0.05)


def test_of_what_is_inactive_nothing_is_said() -> None:
    space = SearchSpace({"a": FloatDistribution(0, 1), "b": CategoricalDistribution(("u", "v"))})
    belief = Marginals(space, [Marginal(0.0, 0.2), Marginal(weights=(0.9, 0.1))], "test")
    encoding = Encoding(space)
    rows = encoding.features(np.array([[np.nan, 0.0], [0.0, np.nan], [1.0, 0.0], [0.0, 1.0]]))
    nothing, no_choice, far, unusual = belief.log_density(rows)
    best = belief.log_density(encoding.features(np.array([[0.0, 0.0]])))[0]
    assert far < nothing < best
    assert unusual < no_choice < best


def test_a_space_of_unknown_names_gives_no_belief() -> None:
    assert not EmbeddedPrior().belief(SearchSpace({"unheard_of": FloatDistribution(0, 1)}))
    assert EmbeddedPrior().belief(SPACE)


def test_choices_that_are_numbers_have_a_mean() -> None:
    marginal = Marginal.of_choices((0.0, 1.0, 1.0), (0.0, 0.5, 1.0))
    assert marginal.centre == pytest.approx(0.75)
    assert marginal.spread == pytest.approx(0.25)
