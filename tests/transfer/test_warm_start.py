from __future__ import annotations

from collections.abc import Callable
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.trial import TrialState
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm import Transfer
from optuna_llm import warm_start
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.attributes import TRANSFERRED_KEY
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.space.search_space import SearchSpace
from tests.support.models import Local
from tests.support.models import well_behaved
from tests.support.transfer import SPACE
from tests.support.transfer import earlier_study
from tests.support.transfer import loss


# The same problem a month later: renamed, moved, stepped, a choice and a parameter more.
CHANGED: dict[str, BaseDistribution] = {
    "eta": FloatDistribution(1e-3, 0.1, log=True),
    "max_depth": IntDistribution(2, 10, step=2),
    "booster": CategoricalDistribution(("gblinear", "dart", "gbtree")),
    "subsample": FloatDistribution(0.2, 1.0),
}


def ask(trial: optuna.Trial, space: dict[str, BaseDistribution]) -> dict[str, Any]:
    return {n: trial._suggest(n, d) for n, d in space.items()}


def new_study(**options: Any) -> optuna.Study:
    return optuna.create_study(study_name="new", **options)


def waiting(study: optuna.Study) -> list[dict[str, Any]]:
    found = study.get_trials(states=(TrialState.WAITING,))
    return [t.system_attrs["fixed_params"] for t in found]


@pytest.mark.parametrize(
    "sampler",
    [
        lambda: RandomSampler(seed=0),
        lambda: TPESampler(seed=0),
        lambda: CQRSampler(seed=0),
        lambda: LLMSampler(Local(well_behaved()), seed=0, prefetch=False),
        lambda: LLAMBOSampler(Local(well_behaved()), seed=0),
    ],
    ids=["random", "tpe", "cqr", "llm", "llambo"],
)
def test_every_sampler_runs_what_is_transferred_and_each_trial_says_its_source(
    sampler: Callable[[], BaseSampler],
) -> None:
    study = new_study(sampler=sampler())
    transfer = warm_start(study, earlier_study(), search_space=CHANGED)
    assert len(transfer.starts) == 5
    study.optimize(lambda t: loss({"learning_rate": ask(t, CHANGED)["eta"]}), n_trials=6)
    for start, trial in zip(transfer.starts, study.trials, strict=False):
        assert {n: trial.params[n] for n in start.params} == start.params
        assert trial.user_attrs["llm:source"] == "enqueued"
        if start.point is not None:
            assert trial.user_attrs[TRANSFERRED_KEY] == start.origin
            assert start.origin in trial.user_attrs["llm:rationale"]
    assert TRANSFERRED_KEY not in study.trials[5].user_attrs
    assert study.trials[0].user_attrs[TRANSFERRED_KEY].startswith("trial ")


def test_the_best_comes_first_then_what_differs_and_nothing_twice() -> None:
    old = earlier_study()
    study = new_study()
    transfer = warm_start(study, old, search_space=SPACE)
    assert waiting(study)[0] == old.best_params
    chosen = [s for s in transfer.starts if s.point is not None]
    assert len(chosen) == 4
    rows = SearchSpace(SPACE).coordinates(s.params for s in chosen)
    for a, b in itertools.combinations(rows, 2):
        assert SearchSpace(SPACE).distances(a[None], b)[0] >= 0.05
    assert all(s.point.quality > 0.5 for s in chosen if s.point is not None)
    again = warm_start(study, old, search_space=SPACE)
    assert not {s.origin for s in again.starts} & {s.origin for s in transfer.starts}


def test_each_source_gives_its_best_the_newest_first() -> None:
    olds = [earlier_study(f"stage {i}", days=i, seed=i, optimum=-i) for i in (1, 3, 2)]
    transfer = warm_start(new_study(), olds, search_space=SPACE)
    origins = [s.origin for s in transfer.starts if s.point is not None]
    named = [origin.partition(" of ")[2].partition(",")[0] for origin in origins]
    assert named[:3] == ["'stage 3'", "'stage 2'", "'stage 1'"]
    assert all("best of 30" in origin for origin in origins[:3])


def test_a_short_source_gives_its_best_only() -> None:
    transfer = warm_start(new_study(), earlier_study(n_trials=7), search_space=SPACE)
    assert [s.point is None for s in transfer.starts] == [False, True]


def test_the_second_trial_has_the_usual_values_unless_they_are_not_known_or_have_been_run() -> (
    None
):
    usual = EmbeddedPrior().default(SPACE)
    study = new_study(sampler=CQRSampler(seed=0))
    warm_start(study, earlier_study(), search_space=SPACE)
    assert waiting(study)[1] == usual
    study.optimize(lambda t: loss(ask(t, SPACE)), n_trials=6)
    # CQRSampler does not run them again.
    assert [t.params == usual for t in study.trials] == [i == 1 for i in range(6)]
    again = warm_start(study, earlier_study(), search_space=SPACE)
    assert None not in [s.point for s in again.starts]
    strange = {f"x{i}": d for i, d in enumerate(SPACE.values())}
    rename = dict(zip(SPACE, strange, strict=True))
    found = warm_start(new_study(), earlier_study(), search_space=strange, rename=rename)
    assert None not in [s.point for s in found.starts]


def test_no_more_than_a_fifth_of_the_budget_is_spent_on_it() -> None:
    old = earlier_study()
    for n, n_trials, expected in ((5, 10, 2), (3, 100, 3), (5, 3, 1), (8, 100, 8)):
        found = warm_start(new_study(), old, n=n, n_trials=n_trials, search_space=SPACE)
        assert len(found.starts) == expected


def test_nothing_illegal_is_enqueued_whatever_has_changed() -> None:
    rng = np.random.default_rng(0)
    olds = [earlier_study(f"old {i}", seed=i) for i in range(3)]
    for _ in range(40):
        low, width = 10 ** rng.uniform(-6, 1), 10 ** rng.uniform(0.1, 4)
        first, n, step = (int(v) for v in rng.integers((-5, 1, 1), (10, 9, 4)))
        choices = rng.permutation(["gbtree", "dart", "gblinear", "x"])[: rng.integers(1, 5)]
        space: dict[str, BaseDistribution] = {
            "learning_rate": FloatDistribution(low, low * width, log=bool(rng.integers(2))),
            "max_depth": IntDistribution(first, first + n * step, step=step),
            "booster": CategoricalDistribution(choices.tolist()),
        }
        study = new_study(sampler=RandomSampler(seed=0))
        warm_start(study, olds, search_space=space)
        for params in waiting(study):
            for name, value in params.items():
                legal = space[name]
                assert legal._contains(legal.to_internal_repr(value)), (name, value, legal)
        study.optimize(lambda t, space=space: ask(t, space) and 0.0, n_trials=6)
        assert {t.state for t in study.trials} == {TrialState.COMPLETE}


def test_directions_are_each_study_s_own() -> None:
    study = new_study(direction="maximize")
    old = earlier_study(direction="minimize")
    assert warm_start(study, old, search_space=SPACE).starts[0].params == old.best_params


def test_a_new_parameter_has_its_usual_value_once_and_a_fixed_one_always() -> None:
    study = new_study()
    warm_start(study, earlier_study(), search_space=CHANGED)
    assert ["subsample" in params for params in waiting(study)] == 2 * [True] + 3 * [False]
    study = new_study()
    warm_start(study, earlier_study(), search_space=CHANGED, fixed={"subsample": 1.0})
    assert [params["subsample"] for params in waiting(study)] == [1.0, 0.8, 1.0, 1.0, 1.0]


def test_the_space_of_a_study_that_has_trials_is_known() -> None:
    study = new_study(sampler=RandomSampler(seed=0))
    with pytest.raises(ConfigurationError, match=r"'new' has no trial yet.*search_space="):
        warm_start(study, earlier_study())
    study.optimize(lambda t: loss(ask(t, SPACE)), n_trials=1)
    assert len(warm_start(study, earlier_study()).starts) == 5


def test_the_table_tells_what_became_of_each_parameter() -> None:
    old = earlier_study(space={**SPACE, "own": FloatDistribution(0, 1)})
    text = str(warm_start(new_study(), old, search_space=CHANGED))
    assert "source 'earlier': 30 trials, newest of 2026-01-01" in text
    rows = [" ".join(line.split()) for line in text.splitlines()]
    for row in (
        "eta <- learning_rate same quantity",
        "max_depth <- max_depth same name",
        "subsample new",
        "trials to begin with: 5",
    ):
        assert row in rows
    assert any(row.startswith("- <- own no longer a parameter; ") for row in rows)
    assert any(row == "max_depth snapped" for row in rows)


def test_sources_without_use_are_left_aside_with_one_word_each(
    logged: list[str],
) -> None:
    empty = optuna.create_study(study_name="empty")
    many = optuna.create_study(study_name="many", directions=["minimize", "maximize"])
    many.optimize(lambda t: (ask(t, SPACE)["learning_rate"], 1.0), n_trials=2)
    strange = earlier_study("strange")
    study = new_study()
    transfer = warm_start(study, [empty, many, strange], search_space={"q": SPACE["booster"]})
    assert transfer.starts == ()
    assert waiting(study) == []
    assert logged == [
        "Not transferred: 'empty' has no complete trial.",
        "Not transferred: 'many' has 2 objectives, the study has one objective.",
        "Not transferred: 'strange' shares no parameter with the study; its own: learning_rate,"
        " max_depth, booster. rename= says which is which.",
    ]
    good = warm_start(new_study(), [empty, earlier_study()], search_space=SPACE)
    assert len(good.starts) == 5
    assert good.unused == ("'empty' has no complete trial.",)


def test_several_objectives_begin_with_the_front() -> None:
    directions = ["minimize", "maximize"]
    old = optuna.create_study(directions=directions, sampler=RandomSampler(seed=0))
    old.optimize(lambda t: (abs(t.suggest_float("x", 0, 1) - 0.5), 1.0), n_trials=20)
    study = new_study(directions=directions)
    transfer = warm_start(study, old, search_space={"x": FloatDistribution(0, 1)})
    best = min(old.trials, key=lambda t: t.values[0])
    assert transfer.starts[0].params == best.params


def test_wrong_arguments_are_one_error_each() -> None:
    old = earlier_study()
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"n": 0}, "n=0 must be a whole number"),
        ({"n_trials": 1.5}, "n_trials=1.5"),
        ({"search_space": {"lr": 3}}, "search_space"),
        ({"rename": {"learnin_rate": "eta"}}, "Did you mean 'learning_rate'"),
        ({"rename": {"learning_rate": "lr"}}, "it is no parameter of the new study"),
        ({"rename": "eta"}, "rename='eta' must be a mapping"),
        ({"fixed": {"subsample": 7.0}}, r"fixed\['subsample'\]=7.0 must be number from 0.2 to 1"),
        ({"fixed": {"subsampel": 0.5}}, "Did you mean 'subsample'"),
    ]
    for options, message in wrong:
        study = new_study()
        with pytest.raises(ConfigurationError, match=message):
            warm_start(study, old, **{"search_space": CHANGED, **options})
        assert waiting(study) == []
    with pytest.raises(ConfigurationError, match="is not an Optuna study"):
        warm_start("study", old, search_space=CHANGED)  # type: ignore[arg-type]


def test_auto_takes_the_family_as_far_as_parameters_agree(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'studies.db'}"
    earlier_study("fraud-1", 8, storage=url)
    earlier_study(
        "fraud-2",
        1,
        storage=url,
        space={
            **{f"p{i}": SPACE["booster"] for i in range(5)},
            "learning_rate": SPACE["learning_rate"],
        },
    )
    study = optuna.create_study(study_name="fraud-3", storage=url)
    transfer: Transfer = warm_start(study, "auto", search_space=SPACE)
    assert [m.source.name for m in transfer.matches] == ["fraud-1"]
    assert transfer.unused == ("'fraud-2' shares too few parameters with the study.",)
    assert len(transfer.starts) == 5
