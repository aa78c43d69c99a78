from __future__ import annotations

from collections.abc import Callable
import os
import threading

import numpy as np
import optuna
from optuna.samplers import BaseSampler
import pytest
from threadpoolctl import ThreadpoolController

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.surrogate import ConformalQuantileTrees
from optuna_llm.surrogate import Feasibility
from optuna_llm.surrogate import QuantileEnsemble
from optuna_llm.surrogate import threads
from optuna_llm.surrogate.gaussian_process import GaussianProcess
from optuna_llm.surrogate.threads import OneBlasThread
from optuna_llm.surrogate.trees import BaggedTrees
from tests.support.models import ScriptedModel


class Blas:
    """A BLAS library that remembers its number of threads."""

    def __init__(self, n_threads: int) -> None:
        self.n_threads = n_threads

    def get_num_threads(self) -> int:
        return self.n_threads

    def set_num_threads(self, n_threads: int) -> None:
        self.n_threads = n_threads


@pytest.fixture
def blas(monkeypatch: pytest.MonkeyPatch) -> Blas:
    library = Blas(7)
    monkeypatch.setattr(threads, "_libraries", lambda: (library,))
    return library


def test_nested_use_is_reset_once_at_the_end(blas: Blas):
    limit = OneBlasThread()
    with limit:
        with limit:
            assert blas.n_threads == 1
        assert blas.n_threads == 1
    assert blas.n_threads == 7


def test_an_error_leaves_no_limit_behind(blas: Blas):
    with pytest.raises(KeyError), OneBlasThread():
        raise KeyError
    assert blas.n_threads == 7


def test_threads_may_leave_in_any_order(blas: Blas):
    limit = OneBlasThread()
    entered, leave = threading.Event(), threading.Event()

    def other() -> None:
        with limit:
            entered.set()
            leave.wait(60)

    with limit:
        thread = threading.Thread(target=other)
        thread.start()
        assert entered.wait(60)
    # The first to come has left, the other still computes.
    assert blas.n_threads == 1
    leave.set()
    thread.join(60)
    assert blas.n_threads == 7


def test_many_threads_at_once_leave_no_limit_behind(blas: Blas):
    limit, seen = OneBlasThread(), []

    @limit
    def fit() -> None:
        seen.append(blas.n_threads)

    workers = [threading.Thread(target=lambda: [fit() for _ in range(200)]) for _ in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert seen == [1] * 1600
    assert blas.n_threads == 7


def test_a_number_set_by_others_meanwhile_is_left_alone(blas: Blas):
    with OneBlasThread():
        blas.set_num_threads(3)
    assert blas.n_threads == 3


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_meanwhile_starts_without_a_limit(blas: Blas):
    limit = OneBlasThread()
    with limit:
        limit.after_fork()
        assert blas.n_threads == 7
        with limit:
            assert blas.n_threads == 1
        assert blas.n_threads == 7


def _blas_threads() -> set[int]:
    return {library.get_num_threads() for library in threads._libraries()}


@pytest.fixture
def many_threads():
    """Let BLAS have three threads, whatever the environment says."""
    threads._libraries()  # Loads what may be loaded later otherwise.
    with ThreadpoolController().limit(limits=3, user_api="blas"):
        if _blas_threads() != {3}:
            pytest.skip("this BLAS has a fixed number of threads")
        yield


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize(
    ("inner", "compute"),
    [
        ("zeros", lambda X: QuantileEnsemble(seed=0).fit(X, X[:, 0]).mean(X)),
        ("zeros", lambda X: ConformalQuantileTrees(seed=0).fit(X, X[:, 0]).mean(X)),
        ("hstack", lambda X: Feasibility(seed=0).fit(X, X[:, 0] > 0.7).probability(X)),
    ],
    ids=["ensemble", "published", "feasibility"],
)
def test_models_compute_in_one_thread(
    inner: str, compute: Callable[[np.ndarray], np.ndarray], monkeypatch: pytest.MonkeyPatch
):
    """They do as seen by ``inner``, a function of NumPy that each of them calls."""
    seen: set[int] = set()
    function = getattr(np, inner)

    def watched(*args, **kwargs):
        seen.update(_blas_threads())
        return function(*args, **kwargs)

    X = np.random.default_rng(0).random((20, 2))
    monkeypatch.setattr(np, inner, watched)
    compute(X)
    assert seen == {1}
    assert _blas_threads() == {3}


@pytest.mark.usefixtures("many_threads")
@pytest.mark.parametrize(
    "sampler",
    [
        lambda: CQRSampler(seed=0, n_startup_trials=4),
        lambda: LLMSampler(ScriptedModel(0), seed=0, n_startup_trials=4),
        lambda: LLAMBOSampler(ScriptedModel(0), seed=0, n_startup_trials=4),
    ],
    ids=["CQR", "LLM", "LLAMBO"],
)
def test_whole_proposals_are_computed_in_one_thread(
    sampler: Callable[[], BaseSampler], monkeypatch: pytest.MonkeyPatch
):
    """All products and factors of matrices stand in the surrogate's members."""
    seen: list[set[int]] = []

    def watched(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
        def inner(*args, **kwargs):
            seen.append(_blas_threads())
            return function(*args, **kwargs)

        return inner

    for owner, name in ((GaussianProcess, "_kernel"), (BaggedTrees, "predict")):
        monkeypatch.setattr(owner, name, watched(getattr(owner, name)))
    study = optuna.create_study(sampler=sampler())
    study.optimize(lambda t: t.suggest_float("x", 0, 1) + t.suggest_float("y", 0, 1), n_trials=9)
    assert len(seen) > 20
    assert all(threads == {1} for threads in seen)
    assert _blas_threads() == {3}
