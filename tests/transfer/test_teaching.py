from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
import pytest

from optuna_llm import CQRSampler
from optuna_llm import EarlierStudies
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import warm_start
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.history import History
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.space.encoding import Encoding
from optuna_llm.space.search_space import SearchSpace
from optuna_llm.surrogate.belief import Belief
from optuna_llm.surrogate.ranked import rank_agreement
from tests.support.models import Local
from tests.support.models import well_behaved
from tests.support.transfer import SPACE
from tests.support.transfer import earlier_study
from tests.support.transfer import loss


def turned(study: optuna.Study) -> optuna.Study:
    """Return a study with the sign of all values turned."""
    other = optuna.create_study(study_name="turned")
    for trial in study.trials:
        trial.value = -trial.value  # type: ignore[operator]
        other.add_trial(trial)
    return other


def belief(sources: Any, study: optuna.Study, space: Any = SPACE) -> Belief | None:
    history = History.from_study(study)
    return EarlierStudies(sources).belief(study, SearchSpace(space), history)


def new_study(n_trials: int = 0) -> optuna.Study:
    """Return a study of the same loss, with other trials."""
    return earlier_study("new", n_trials, seed=99)


def places(found: Belief, space: Any = SPACE) -> tuple[np.ndarray, np.ndarray]:
    """Return what is believed of random configurations, and their losses."""
    encoding = Encoding(SearchSpace(space))
    rows = encoding.domain.uniform(300, np.random.default_rng(1))
    losses = [loss(SearchSpace(space).configuration(row)) for row in rows]
    return found.log_density(encoding.features(rows)), np.array(losses)


def test_what_was_good_is_believed_to_be_good_also_in_another_space() -> None:
    study = new_study()
    found = belief(earlier_study(), study)
    assert found is not None
    density, losses = places(found)
    assert rank_agreement(-density, losses) > 0.7
    mean, deviation = found.uniform_moments
    assert density.mean() == pytest.approx(mean, abs=0.1)
    assert density.std() == pytest.approx(deviation, rel=0.15)
    old: dict[str, BaseDistribution] = {
        "lr": FloatDistribution(1e-5, 1e-1, log=True),
        "booster": CategoricalDistribution(("dart", "gblinear", "gbtree")),
    }
    source = optuna.create_study()
    for trial in earlier_study("wide", 60, space={**SPACE, "booster": old["booster"]}).trials:
        params = {"lr": trial.params["learning_rate"] / 10, "booster": trial.params["booster"]}
        value = loss({"learning_rate": params["lr"], "booster": params["booster"]})
        source.add_trial(optuna.trial.create_trial(params=params, distributions=old, value=value))
    found = belief(source, study)
    assert found is not None
    density, losses = places(found)
    assert rank_agreement(-density, losses) > 0.4


def test_what_is_drawn_is_legal_and_lies_around_the_best() -> None:
    found = belief(earlier_study(n_trials=60), new_study())
    assert found is not None
    rng = np.random.default_rng(0)
    drawn = found.sample(400, rng)
    encoding = Encoding(SearchSpace(SPACE))
    assert drawn.shape == (400, 3)
    for row in drawn:
        params = SearchSpace(SPACE).configuration(row)
        assert all(d._contains(d.to_internal_repr(params[n])) for n, d in SPACE.items())
    uniform = encoding.domain.uniform(400, rng)
    density = [found.log_density(encoding.features(x)).mean() for x in (drawn, uniform)]
    assert density[0] > density[1] + 0.3


def test_weights_are_earned_and_what_disagrees_is_switched_off() -> None:
    good, other = earlier_study("good"), earlier_study("other", optimum=-3.5, seed=5)
    wrong = turned(earlier_study("wrong", seed=3))
    before = belief([good, other, wrong], new_study())
    assert before is not None
    # Before there are results, all are trusted alike.
    assert before.explanation.count("(0.40)") == 3
    after = belief([wrong, other, good], new_study(12))
    assert after is not None
    assert "turned" not in after.explanation
    assert after.explanation.index("'good'") < after.explanation.index("'other'")
    assert belief([wrong], new_study(6)) is None


def test_the_sampler_finds_more_with_a_source_and_loses_nothing_by_a_wrong_one() -> None:
    def objective(trial: optuna.Trial) -> float:
        return loss({n: trial._suggest(n, d) for n, d in SPACE.items()})

    def found(sources: Any, seed: int, *, warm: bool = False) -> float:
        # With good configurations of its family a search finds as much without any source.
        prior = EmbeddedPrior(portfolios=False)
        study = optuna.create_study(sampler=CQRSampler(sources=sources, prior=prior, seed=seed))
        if warm:
            warm_start(study, sources, search_space=SPACE)
        study.optimize(objective, n_trials=10)
        return study.best_value

    good, wrong = earlier_study(), turned(earlier_study(seed=3))
    cold, taught, warm, misled = (
        np.mean([found(s, seed, warm=w) for seed in range(4)])
        for s, w in ((None, False), (good, False), (good, True), (wrong, False))
    )
    assert warm < 0.5 * cold
    assert taught < 1.05 * cold
    assert misled < 1.2 * cold


def test_a_table_has_the_direction_of_the_study() -> None:
    table = earlier_study(n_trials=40).trials_dataframe()
    for direction, sign in (("minimize", 1), ("maximize", -1)):
        study = optuna.create_study(direction=direction)
        found = belief(table, study)
        assert found is not None
        density, losses = places(found)
        assert sign * rank_agreement(-density, losses) > 0.5


def test_sources_may_be_copied_and_are_read_anew_for_another_space() -> None:
    taught = EarlierStudies(earlier_study(), rename={"max_depth": "depth"})
    study = new_study()
    history = History.from_study(study)
    for space in (SPACE, {"depth": SPACE["max_depth"]}, SPACE):
        for one in (taught, copy.deepcopy(taught), pickle.loads(pickle.dumps(taught))):
            found = one.belief(study, SearchSpace(space), history)
            assert found is not None
            assert found.uniform_moments[1] > 0


def test_too_few_trials_teach_nothing_and_wrong_sources_are_an_error() -> None:
    assert belief(earlier_study(n_trials=3), new_study()) is None
    assert belief(optuna.create_study(), new_study()) is None
    with pytest.raises(ConfigurationError, match=r"sources\[0\]=3 must be a study"):
        CQRSampler(sources=3)
    with pytest.raises(ConfigurationError, match="only the default base sampler learns"):
        LLMSampler(sources=earlier_study(), base_sampler=CQRSampler())


def test_auto_finds_the_family_of_the_study_that_asks(logged: list[str]) -> None:
    storage = optuna.storages.InMemoryStorage()
    earlier_study("fraud 1", storage=storage)
    sampler = CQRSampler(sources="auto", seed=0)
    study = optuna.create_study(study_name="fraud 2", storage=storage, sampler=sampler)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    study.optimize(lambda t: loss({n: t._suggest(n, d) for n, d in SPACE.items()}), n_trials=10)
    assert "Earlier studies that teach 'fraud 2': 'fraud 1'." in logged


@pytest.mark.parametrize("anonymize", [False, True])
def test_a_model_is_told_what_was_best_and_nothing_by_name_if_anonymous(anonymize: bool) -> None:
    asked: list[str] = []

    def reply(request: dict[str, Any]) -> str:
        asked.append(request["messages"][-1]["content"])
        return well_behaved()(request)  # type: ignore[operator,no-any-return]

    sampler = LLMSampler(
        Local(reply),
        sources=earlier_study("secret"),
        search_space=SPACE,
        anonymize=anonymize,
        prefetch=False,
        seed=0,
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: loss({n: t._suggest(n, d) for n, d in SPACE.items()}), n_trials=8)
    lines = [line for text in asked for line in text.splitlines() if "earlier studies" in line]
    assert lines
    best = earlier_study("secret").best_params
    for line in lines:
        assert ("learning_rate" in line) is not anonymize
        assert "secret" not in line
        assert f"{best['max_depth']}" in line
    LLAMBOSampler(sources=earlier_study())
