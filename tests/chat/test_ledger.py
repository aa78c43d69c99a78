from __future__ import annotations

from collections.abc import Mapping
import copy
import json
import logging
import multiprocessing
import os
import pickle
import threading
from typing import Any

import pytest

from optuna_llm.chat import Budget
from optuna_llm.chat import Completion
from optuna_llm.chat import Ledger
from optuna_llm.chat import Spending
from optuna_llm.chat import Usage
from optuna_llm.chat import connect
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import ModelError


class Store:
    """System attributes in the memory of one process, as JSON like the real ones."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {"other:key": "1"}

    def read(self) -> Mapping[str, Any]:
        return {key: json.loads(text) for key, text in list(self.texts.items())}

    def write(self, key: str, value: dict[str, Any]) -> None:
        self.texts[key] = json.dumps(value)


class BrokenStore(Store):
    def read(self) -> Mapping[str, Any]:
        raise ConnectionError("the database has gone")

    def write(self, key: str, value: dict[str, Any]) -> None:
        raise ConnectionError("the database has gone")


def completed(
    prompt: int = 100, completion: int = 10, cost: float | None = None, seconds: float = 2.0
) -> Completion:
    return Completion("ok", "tiny", Usage(prompt, completion), cost, seconds, 1, "text", "stop")


def test_spending_is_what_was_reported_and_not_what_was_reserved() -> None:
    ledger = Ledger(Store())
    reservation = ledger.reserve(1000, 500)
    assert ledger.totals() == Spending(1, 0, 1000, 500, None)
    ledger.settle(reservation, completed(900, 30, cost=0.25))
    assert ledger.totals() == Spending(1, 0, 900, 30, 0.25, 2.0)
    ledger.settle(reservation, completed(900, 30))
    assert ledger.totals().requests == 1


def test_a_failed_request_counts() -> None:
    ledger = Ledger(Store())
    ledger.settle(ledger.reserve(1000, 500), None)
    total = ledger.totals()
    assert (total.requests, total.failed_requests) == (1, 1)
    assert (total.prompt_tokens, total.completion_tokens, total.cost) == (0, 0, 0.0)
    assert total.seconds > 0
    ledger.settle(ledger.reserve(1000, 500), Usage(1000, 77))
    total = ledger.totals()
    assert (total.requests, total.failed_requests) == (2, 2)
    assert (total.prompt_tokens, total.completion_tokens) == (1000, 77)


@pytest.mark.parametrize(
    ("budget", "requests", "limit"),
    [
        (Budget(max_requests=3), 3, "max_requests=3"),
        (Budget(max_requests=0), 0, "max_requests=0"),
        # 110 tokens spent and 300 reserved for each: the fourth would end at 630.
        (Budget(max_tokens=600), 3, "max_tokens=600"),
        # At one a token as well.
        (Budget(max_cost=600.0), 3, r"max_cost=600\.0"),
        (Budget(max_seconds=5.0), 3, r"max_seconds=5\.0"),
    ],
)
def test_no_request_beyond_a_limit(budget: Budget, requests: int, limit: str) -> None:
    model = connect(lambda prompt: prompt, prices=(1e6, 1e6))
    ledger = Ledger(Store(), budget, model=model)
    for _ in range(requests):
        ledger.settle(ledger.reserve(200, 100), completed())
    before = ledger.totals()
    with pytest.raises(BudgetExceededError, match=limit) as caught:
        ledger.reserve(200, 100)
    assert f"{requests} requests" in str(caught.value)  # What was spent.
    assert ledger.totals() == before


def test_workers_see_each_others_spending_and_reservations() -> None:
    store, budget = Store(), Budget(max_requests=3)
    first, second = Ledger(store, budget), Ledger(store, budget)
    first.settle(first.reserve(10, 10), completed())
    second.reserve(10, 10)
    first.reserve(10, 10)
    for ledger in (first, second):
        assert ledger.totals().requests == 3
        with pytest.raises(BudgetExceededError):
            ledger.reserve(10, 10)


def test_a_crashed_workers_reservation_stays_counted_and_a_resumed_study_knows() -> None:
    store = Store()
    Ledger(store).reserve(1000, 500)
    assert Ledger(store).totals() == Spending(1, 0, 1000, 500, None)


@pytest.mark.parametrize("renew", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_writes_an_entry_of_its_own(renew: Any) -> None:
    ledger = Ledger(Store(), Budget(max_requests=2))
    ledger.settle(ledger.reserve(10, 10), completed())
    renewed = renew(ledger)
    assert renewed.totals() == ledger.totals()
    renewed.settle(renewed.reserve(10, 10), completed())
    assert renewed.totals().requests == 2
    with pytest.raises(BudgetExceededError):
        renewed.reserve(10, 10)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_worker_writes_an_entry_of_its_own() -> None:
    context = multiprocessing.get_context("fork")
    store = Store()
    ledger = Ledger(store)
    reservation = ledger.reserve(10, 10)
    ledger.settle(reservation, completed())
    results = context.Queue()

    def work() -> None:
        ledger.settle(reservation, completed())  # Not its own; has no effect.
        ledger.settle(ledger.reserve(10, 10), completed())
        results.put((ledger.totals().requests, len(store.texts)))

    # Held while the worker is forked, as another thread may hold it.
    with ledger._lock:
        worker = context.Process(target=work, daemon=True)
        worker.start()
    assert results.get(timeout=600) == (2, 3)
    worker.join()


def test_threads_do_not_lose_counts() -> None:
    ledger = Ledger(Store(), Budget(max_requests=100))
    refused: list[int] = []

    def work() -> None:
        for _ in range(20):
            try:
                ledger.settle(ledger.reserve(10, 10), completed(7, 3))
            except BudgetExceededError:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.totals().requests == 100
    assert ledger.totals().prompt_tokens == 700
    assert len(refused) == 60


def test_a_broken_store_is_said_once_and_counted_without(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    ledger = Ledger(BrokenStore())
    for _ in range(2):
        ledger.settle(ledger.reserve(10, 10), completed())
    assert ledger.totals().requests == 2
    assert len(caplog.records) == 1
    assert "ConnectionError" in caplog.text


@pytest.mark.parametrize("budget", [Budget(max_requests=9), Budget(max_cost=9.0)])
def test_no_request_within_limits_that_the_store_does_not_know_of(budget: Budget) -> None:
    model = connect(lambda prompt: "", prices=(1.0, 1.0))
    ledger = Ledger(BrokenStore(), budget, model=model)
    with pytest.raises(ModelError, match="no request was sent"):
        ledger.reserve(10, 10)
    assert ledger.totals().requests == 0


def test_an_entry_that_cannot_be_read_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    store = Store()
    store.write("llm:ledger:abc", {"settled": {"requests": 3, "of a later version": 1}})
    store.texts["llm:ledger:def"] = "17"
    store.write(
        "llm:ledger:ghi", {"settled": {"requests": 3, "of a later version": 1}, "reserved": {}}
    )
    assert Ledger(store).totals().requests == 3
    assert "llm:ledger:abc" in caplog.text
    assert "llm:ledger:def" in caplog.text


# ---- cost


def test_a_limit_on_cost_needs_prices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optuna_llm.chat.prices.importlib.util.find_spec", lambda name: None)
    model = connect("tiny", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(ConfigurationError, match=r"max_cost=1\.0.*'tiny'.*prices="):
        Ledger(Store(), Budget(max_cost=1.0), model=model).reserve(10, 10)
    with pytest.raises(ConfigurationError, match="the model"):
        Ledger(Store(), Budget(max_cost=1.0)).reserve(10, 10)


def test_tokens_spent_before_prices_were_known_count_at_todays() -> None:
    store = Store()
    earlier = Ledger(store)
    earlier.settle(earlier.reserve(10, 10), completed(600_000, 0))
    assert earlier.totals().cost is None
    model = connect(lambda prompt: prompt, prices=(1.0, 1.0))
    later = Ledger(store, Budget(max_cost=1.0), model=model)
    later.reserve(300_000, 0)
    with pytest.raises(BudgetExceededError, match=r"max_cost=1\.0"):
        later.reserve(300_000, 0)


def test_a_failed_request_costs_what_its_tokens_cost() -> None:
    model = connect(lambda prompt: prompt, prices=(1.0, 2.0))
    ledger = Ledger(Store(), Budget(max_cost=100.0), model=model)
    ledger.settle(ledger.reserve(10, 10), Usage(1_000_000, 1_000_000))
    assert ledger.totals().cost == pytest.approx(3.0)


def test_a_try_without_an_answer_counts_with_what_was_reserved() -> None:
    model = connect(lambda prompt: prompt, prices=(1.0, 2.0))
    ledger = Ledger(Store(), model=model)
    ledger.settle(ledger.reserve(1_000_000, 500_000), None, unanswered=2)
    assert ledger.totals().cost == pytest.approx(4.0)
    answer = Completion("ok", "m", Usage(10, 10), 0.5, 1.0, 2, "text", "stop", (), unanswered=1)
    ledger.settle(ledger.reserve(1_000_000, 500_000), answer)
    total = ledger.totals()
    assert (total.requests, total.failed_requests, total.unanswered) == (2, 1, 3)
    assert (total.prompt_tokens, total.completion_tokens) == (3_000_010, 1_500_010)
    assert total.cost == pytest.approx(6.5)
    assert "(1 failed) with 3 unanswered tries, counted as reserved" in str(total)


# ---- words


def test_spending_in_words() -> None:
    assert str(Spending(12, 1, 34567, 2345, 0.0123, 45.04)) == (
        "12 requests (1 failed), 34,567 prompt + 2,345 completion tokens, cost 0.0123, 45.0 s"
    )
    assert "cost unknown" in str(Spending(1, 0, 5, 5, None))


@pytest.mark.parametrize(
    "limits",
    [
        {"max_requests": -1},
        {"max_requests": 1.5},
        {"max_requests": True},
        {"max_tokens": "many"},
        {"max_cost": -0.1},
        {"max_cost": float("nan")},
        {"max_seconds": False},
    ],
)
def test_a_wrong_limit_is_named(limits: dict[str, Any]) -> None:
    ((name, value),) = limits.items()
    with pytest.raises(ConfigurationError, match=f"{name}={value!r}"):
        Budget(**limits)
