"""Portfolios: what they hold, and what becomes of them in a search space."""

from __future__ import annotations

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
import pytest

from optuna_llm import Prior
from optuna_llm import Usual
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.prior import portfolio
from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.portfolio import Portfolio
from optuna_llm.prior.table import Choice
from optuna_llm.prior.table import Number
from optuna_llm.prior.table import key


SVM: dict[str, BaseDistribution] = {
    "kernel": CategoricalDistribution(["rbf", "linear"]),
    "C": FloatDistribution(1e-3, 1e3, log=True),
    "gamma": FloatDistribution(1e-5, 10.0, log=True),
}
ROWS = (
    {"kernel": "linear", "C": 0.5},
    {"kernel": "rbf", "C": 100, "gamma": 0.001},
    {"kernel": "poly", "C": 2, "degree": 2},
)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows for support vector machines, one for XGBoost, and none else."""
    svm = Portfolio("support vector machine", "a test", ROWS)
    boosting = Portfolio("xgboost", "a test", ({"learning_rate": 0.03, "n_estimators": 150},))
    found = {p.family: p for p in (svm, boosting)}
    monkeypatch.setattr(portfolio, "portfolios", lambda: found)


@pytest.mark.parametrize("known", portfolio.portfolios().values(), ids=lambda p: p.family)
def test_rows_hold_what_the_family_knows(known: Portfolio) -> None:
    assert 3 <= len(known.rows) <= 5
    assert known.source
    (family,) = (f for f in FAMILIES if f.name == known.family)
    for row in known.rows:
        for name, stated in row.items():
            rows = [r for r in family.by_key[key(name)] if r.name == name]
            if isinstance(stated, str):
                assert any(isinstance(r, Choice) and stated in r.weights for r in rows)
            else:
                assert any(
                    abs(r.scale.forward(stated) - r.scale.forward(r.usual)) <= 2 * r.width
                    for r in rows
                    if isinstance(r, Number)
                )


def test_no_two_rows_are_the_same() -> None:
    for found in portfolio.portfolios().values():
        assert len({repr(row) for row in found.rows}) == len(found.rows)


@pytest.mark.usefixtures("known")
def test_rows_become_configurations_of_the_space() -> None:
    prior = EmbeddedPrior()
    usual = prior.default(SVM)
    assert prior.portfolio(SVM) == [
        {**usual, "kernel": "linear", "C": 0.5},
        {**usual, "kernel": "rbf", "C": 100.0, "gamma": 0.001},
    ]  # The third one's kernel is not offered.
    assert "3 of support vector machine (a test)" in prior.explain(SVM)


@pytest.mark.usefixtures("known")
def test_a_space_without_the_parameter_makes_the_usual_choice() -> None:
    space = {name: SVM[name] for name in ("C", "gamma")}
    assert EmbeddedPrior("SVM").portfolio(space) == [{"C": 100.0, "gamma": 0.001}]


@pytest.mark.usefixtures("known")
def test_names_transforms_and_ranges_are_the_users() -> None:
    space: dict[str, BaseDistribution] = {
        "svc__kernel": CategoricalDistribution(["linear", "rbf"]),
        "log10_C": FloatDistribution(-3.0, 1.0),
        "svc__gamma": FloatDistribution(1e-2, 1.0, log=True),
        "mine": FloatDistribution(0.0, 1.0),
    }
    (_, second) = EmbeddedPrior("SVM").portfolio(space)
    assert second == {"svc__kernel": "rbf", "log10_C": 1.0, "svc__gamma": 0.01}


@pytest.mark.usefixtures("known")
def test_data_of_one_kind_have_the_portfolio_of_the_family() -> None:
    space: dict[str, BaseDistribution] = {
        "eta": FloatDistribution(1e-3, 1.0, log=True),
        "nrounds": IntDistribution(10, 1000),
        "max_depth": IntDistribution(1, 12),
    }
    for context in ("XGBoost", "an XGBoost classifier"):
        prior = EmbeddedPrior(context)
        usual = prior.default(space)
        assert prior.portfolio(space) == [{**usual, "eta": 0.03, "nrounds": 150}]


@pytest.mark.usefixtures("known")
def test_what_the_user_states_goes_before_it() -> None:
    prior = Prior({"C": Usual(7.0)})
    assert [c["C"] for c in prior.portfolio(SVM)] == [7.0, 7.0]


@pytest.mark.usefixtures("known")
def test_it_can_be_left_out() -> None:
    assert EmbeddedPrior(portfolios=False).portfolio(SVM) == []
    assert EmbeddedPrior().portfolio({"x0": FloatDistribution(0.0, 1.0)}) == []
