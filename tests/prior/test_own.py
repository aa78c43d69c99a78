"""What users state of their parameters, before the table."""

from __future__ import annotations

from collections.abc import Callable
import pickle
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
import pytest

from optuna_llm.errors import ConfigurationError
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior import OwnPrior
from optuna_llm.prior import Usual
from optuna_llm.space.search_space import SearchSpace
from tests.prior.spaces import Space
from tests.prior.spaces import log
from tests.prior.spaces import one_of
from tests.prior.spaces import real
from tests.prior.spaces import whole


SPACE: Space = {
    "lr": log(1e-5, 1e-1),
    "n_layers": whole(1, 8),
    "activation": one_of("relu", "gelu", None),
    "batch_size": one_of(16, 32, 64, 128),
    "dropout": real(0, 0.5),
    "unheard_of": real(-1, 1),
}
PRIOR = OwnPrior(
    {
        "lr": Usual(2e-3, range=(5e-4, 1e-2), source="a paper"),
        "n_layers": Usual(6, spread=0.5),
        "activation": {"gelu": 3, None: 1},
        "batch_size": Usual(128),
        "unheard_of": Usual(-0.5),
    },
    source="the team",
)


def test_what_is_stated_goes_before_the_table_and_the_rest_is_the_tables() -> None:
    default = PRIOR.default(SPACE)
    assert default == pytest.approx(
        {
            "lr": 2e-3,
            "n_layers": 6,
            "activation": "gelu",
            "batch_size": 128,
            "dropout": EmbeddedPrior().default(SPACE)["dropout"],
            "unheard_of": -0.5,
        }
    )


def test_explain_tells_who_states_what() -> None:
    first, second = PRIOR.explain(SPACE).splitlines()
    assert first.startswith("own knowledge: lr 0.002, n_layers 6, activation gelu, batch_size 128")
    assert first.endswith("(a paper; the team)")
    assert second.startswith("network training: dropout 0.2 (")


def test_samples_have_the_spread_that_is_stated() -> None:
    rng = np.random.default_rng(0)
    drawn = [PRIOR.sample(SPACE, rng) for _ in range(600)]
    rates = np.array([d["lr"] for d in drawn])
    assert np.mean((rates >= 5e-4) & (rates <= 1e-2)) == pytest.approx(0.9, abs=0.04)
    layers = np.array([d["n_layers"] for d in drawn])
    assert layers.std() == pytest.approx(0.6, abs=0.15)
    chosen = [d["activation"] for d in drawn]
    # What is not listed has half of the least weight.
    shares = [chosen.count(c) / len(chosen) for c in ("gelu", None, "relu")]
    assert shares == pytest.approx([3 / 4.5, 1 / 4.5, 0.5 / 4.5], abs=0.06)


def test_a_belief_and_a_design_are_made_of_it() -> None:
    belief = PRIOR.belief(SearchSpace(SPACE))
    assert "own knowledge" in belief.explanation
    drawn = belief.sample(500, np.random.default_rng(0))
    assert drawn[:, 0].mean() == pytest.approx(np.log(2e-3 / 1e-5) / np.log(1e4), abs=0.03)
    assert PRIOR.quantile("n_layers", SPACE["n_layers"], 0.5) == 6
    assert PRIOR.default_value("lr", SPACE["lr"]) == pytest.approx(2e-3)


@pytest.mark.parametrize(
    ("name", "distribution", "value"),
    [
        ("optimizer/lr", log(1e-5, 1), 2e-3),
        ("LR", log(1e-5, 1), 2e-3),
        ("log10_lr", real(-5, -1), np.log10(2e-3)),
        ("n_layers_1", whole(1, 8), 6),
        ("lr", log(1e-2, 1), 1e-2),  # Clipped.
        # Another model's parameter, and another parameter.
        ("xgb_lr", log(1e-3, 1), 0.1),
        ("weight_decay", log(1e-6, 1), 1e-3),
    ],
)
def test_names_are_read_as_those_of_the_table(
    name: str, distribution: BaseDistribution, value: float
) -> None:
    found = PRIOR.lookup(name, distribution)
    assert found is not None
    assert found.value == pytest.approx(value)


def test_the_optimizer_that_is_stated_decides_what_the_table_says() -> None:
    space: Space = {"opt": one_of("adam", "sgd"), "lr": log(1e-5, 1)}
    assert OwnPrior({"opt": {"sgd": 5, "adam": 1}}).default(space) == {"opt": "sgd", "lr": 0.05}


@pytest.mark.parametrize(
    ("stated", "distribution"),
    [
        (Usual(0.5), log(1e-6, 1e-5)),
        (Usual(3), one_of("a", "b")),
        ({"a": 1}, one_of("b", "c")),
        ({"a": 1}, real(0, 1)),
    ],
)
def test_what_does_not_suit_is_not_used_and_told_once(
    stated: Any, distribution: BaseDistribution, logged: list[str]
) -> None:
    prior = OwnPrior({"unheard_of": stated})
    for _ in range(2):
        assert prior.lookup("unheard_of", distribution) is None
    (told,) = logged
    assert "'unheard_of'" in told
    assert "is not used; state" in told
    assert prior.explain({"unheard_of": distribution}) == "not known: unheard_of"


def test_scales() -> None:
    def value_and_spread(stated: Usual, distribution: BaseDistribution) -> tuple[Any, float]:
        found = OwnPrior({"p": stated}).lookup("p", distribution)
        assert found is not None
        return found.value, found.spread

    assert value_and_spread(Usual(0.1, spread=0.5), log(0.01, 1)) == pytest.approx((0.1, 0.25))
    assert value_and_spread(Usual(0.5, spread=0.1), real(0, 1)) == pytest.approx((0.5, 0.1))
    assert value_and_spread(Usual(0.5), real(0, 1)) == pytest.approx((0.5, 0.2))
    assert value_and_spread(Usual(0.1), log(0.01, 1)) == pytest.approx((0.1, 0.25))
    assert value_and_spread(Usual(0, spread=1), whole(-5, 5)) == pytest.approx((0, 0.1))
    # Ten times less to 1 is as far as ten times more.
    momentum = value_and_spread(Usual(0.9, spread=0.3, scale="complement"), real(0, 1))
    assert momentum == pytest.approx((0.9, (10**-0.7 - 10**-1.3) / 2), abs=0.02)


def test_a_value_moves_with_the_parameters_that_are_stated() -> None:
    space: Space = {
        "lr": log(1e-5, 1e-1),
        "batch_size": one_of(16, 64, 256),
        "crowd": log(1, 1e4),
        "zeal": log(1e-4, 1e4),
    }
    prior = OwnPrior(
        {
            "lr": Usual(2e-3, spread=0.1, relation={"batch_size": 1}),
            "crowd": Usual(100),
            "zeal": Usual(1, spread=0.1, relation={"crowd": -0.5}, source="Anna"),
        },
        source="the team",
    )
    # The parent's usual value is the table's, where it is not stated.
    assert prior.default_value("lr", space["lr"], space, {"batch_size": 256}) == pytest.approx(
        8e-3
    )
    assert prior.default_value("zeal", space["zeal"], space, {"crowd": 1}) == pytest.approx(10)
    assert prior.default_value("zeal", space["zeal"], space, {}) == pytest.approx(1)
    rng = np.random.default_rng(0)
    drawn = [prior.sample(space, rng) for _ in range(100)]
    logs = np.log10([[d["crowd"], d["zeal"]] for d in drawn])
    assert np.polyfit(logs[:, 0], logs[:, 1], 1)[0] == pytest.approx(-0.5, abs=0.1)
    said = prior.relations(space)
    assert "lr moves with batch_size to the power of 1 (the team)" in said
    assert "zeal moves with crowd to the power of -0.5 (Anna)" in said
    # The table's own relations stay where they are: nobody has asked for them.
    assert OwnPrior({"crowd": Usual(100)}).relations(space) == ""


def test_a_parent_of_which_nothing_is_known_is_told_once(logged: list[str]) -> None:
    prior = OwnPrior({"zeal": Usual(1, relation={"crowd": 1})})
    space: Space = {"zeal": log(1e-2, 1e2), "crowd": log(1, 10)}
    for _ in range(2):
        assert prior.default(space)["zeal"] == 1
    (told,) = logged
    assert "'zeal' is said to move with 'crowd', whose usual value is not known" in told
    assert prior.default({"zeal": space["zeal"]}) == {"zeal": 1}


def test_special_choices() -> None:
    prior = OwnPrior({"max_depth": Usual(8, special={None: 3})})
    found = prior.lookup("max_depth", one_of(4, 8, None))
    assert found is not None
    assert found.value is None
    assert found.weights[2] == pytest.approx(0.75)


def test_it_can_be_pickled_compared_and_set_in_a_context() -> None:
    again = pickle.loads(pickle.dumps(PRIOR))
    assert again == PRIOR
    assert again.default(SPACE) == PRIOR.default(SPACE)
    assert PRIOR.within("XGBoost").context == "XGBoost"
    assert PRIOR.within("XGBoost").within("LightGBM").context == "XGBoost"
    assert PRIOR.within("XGBoost").default(SPACE)["lr"] == pytest.approx(2e-3)
    assert OwnPrior({**PRIOR.usual, "lr": Usual(0.5)}) != PRIOR


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: Usual("a"),
            r"Usual.value='a' must be a finite number; give choices as a mapping",
        ),  # type: ignore[arg-type]
        (lambda: Usual(float("nan")), r"Usual.value=nan must be a finite number"),
        (lambda: Usual(True), r"Usual.value=True must be a finite number"),
        (lambda: Usual(1, spread=0), r"Usual.spread=0 must be a positive number"),
        (lambda: Usual(1, scale="cubic"), r"Usual.scale='cubic' must be one of linear, fraction"),
        (lambda: Usual(0, scale="log"), r"Usual.value: 0 does not exist on the scale 'log'"),
        (lambda: Usual(2, scale="fraction"), r"Usual.value: 2 does not exist on the scale"),
        (
            lambda: Usual(0.5, range=(0, 1), scale="complement"),
            r"Usual.range: 1 does not exist on the scale 'complement'",
        ),
        (lambda: Usual(1, spread=1, range=(0, 2)), r"give either spread or range, not both"),
        (lambda: Usual(1, range=(2, 3)), r"Usual.range=\(2, 3\) must reach .* value 1 in it"),
        (lambda: Usual(1, range=(2,)), r"Usual.range=\(2,\) must be two numbers"),  # type: ignore[arg-type]
        (lambda: Usual(1, special={"a": 0}), r"Usual.special\['a'\]=0 must be a positive number"),
        (
            lambda: Usual(1, relation={"b": 0}),
            r"Usual.relation=\{'b': 0\} must map names of parameters to powers other than 0",
        ),
        (lambda: Usual(1, relation="b"), r"Usual.relation='b' must map"),  # type: ignore[arg-type]
        (
            lambda: Usual(0.5, scale="fraction", relation={"b": 1}),
            r"Usual.relation=\{'b': 1\}: only a positive value that is no share can go",
        ),
        (
            lambda: OwnPrior(
                {"a": Usual(1, relation={"b": 1}), "b": Usual(1, relation={"A": 1})},
            ),
            r"usual\['a'\].relation: it moves with itself, by way of others; leave one",
        ),
        (lambda: OwnPrior([]), r"usual=\[\] must map names of parameters"),  # type: ignore[arg-type]
        (lambda: OwnPrior({"lr": 0.1}), r"usual\['lr'\]=0.1 must be a Usual, such as Usual"),  # type: ignore[dict-item]
        (lambda: OwnPrior({"a": {}}), r"usual\['a'\]=\{\} must be a Usual"),
        (lambda: OwnPrior({"a": {"x": -1}}), r"usual\['a'\]\['x'\]=-1 must be a positive number"),
        (lambda: OwnPrior({"a": {"x": 1, "X": 2}}), r"\['X'\]: another choice reads the same"),
        (
            lambda: OwnPrior({"lr": Usual(1), "LR": Usual(2)}),
            r"usual\['LR'\]: it is the same name as 'lr'",
        ),
    ],
)
def test_errors_name_argument_value_and_fix(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        make()
