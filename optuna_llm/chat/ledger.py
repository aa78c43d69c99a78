"""Requests, tokens, money and time: counted and capped over all workers of a study."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import fields
import logging
import os
import threading
import time
from typing import Any
from typing import Protocol
import uuid

from optuna_llm.chat.budget import Budget
from optuna_llm.chat.budget import Spending
from optuna_llm.chat.model import ChatModel
from optuna_llm.chat.model import Completion
from optuna_llm.chat.model import Usage
from optuna_llm.chat.prices import Prices
from optuna_llm.chat.prices import cost_of
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import ModelError


_logger = logging.getLogger(__name__)

KEY_PREFIX = "llm:ledger:"


class LedgerStore(Protocol):
    """Where the workers of a study see each other's entries, such as its system attributes."""

    def read(self) -> Mapping[str, Any]:
        """Return the values by key; keys of others' making are fine."""
        ...

    def write(self, key: str, value: dict[str, Any]) -> None:
        """Set the value of ``key``, which JSON can say."""
        ...


@dataclass(frozen=True)
class Reservation:
    """Leave to send one request; to be settled when it is answered or has failed."""

    id: int
    spending: Spending
    started: float


class Ledger:
    """The accounts of one worker, and through the store those of all others.

    Each worker writes an entry of its own, so that no two ever write the same key; the total is
    the sum over all entries and outlives every worker. A request is reserved before it is sent:
    a worker that crashes in between leaves its reservation counted as spent, which errs on the
    careful side. Two workers that reserve at the same moment do not see each other, so a limit may
    be passed by at most one request for each worker.

    When the store fails, the worker logs that once. Without limits it goes on with its own counts
    and the last it knew of the others; with a limit it sends no request that the store does not
    know of, because a crash would forget what it cost. Safe with threads; a pickled, copied or
    forked ledger has an entry of its own.

    Args:
        store: Where the entries are.
        budget: The limits.
        model: The model that is paid for; its prices are looked up when a limit on cost is set.
    """

    def __init__(
        self, store: LedgerStore, budget: Budget | None = None, *, model: ChatModel | None = None
    ) -> None:
        self._store = store
        self._budget = budget or Budget()
        self._model = model
        self._open()

    def _open(self) -> None:
        """Start an entry of this process."""
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._last_id = 0
        self._others = Spending()
        self._reset()

    def _reset(self) -> None:
        self._key = f"{KEY_PREFIX}{uuid.uuid4().hex}"
        self._settled = Spending()
        self._outstanding: dict[int, Spending] = {}
        self._written = False
        self._store_failed = False

    def reserve(self, estimated_prompt_tokens: int, max_output_tokens: int) -> Reservation:
        """Reserve one request.

        Args:
            estimated_prompt_tokens: Tokens of the prompt, as
                :func:`~optuna_llm.chat.estimate_prompt_tokens` says.
            max_output_tokens: Most tokens that the model may write.

        Returns:
            A reservation to give to :meth:`settle`.

        Raises:
            BudgetExceededError: A limit does not allow it.
            ModelError: There is a limit, and the store does not take the reservation.
            ConfigurationError: There is a limit on cost and no price is known.
        """
        prices = self._prices()
        request = Spending(
            requests=1,
            prompt_tokens=estimated_prompt_tokens,
            completion_tokens=max_output_tokens,
            cost=cost_of(Usage(estimated_prompt_tokens, max_output_tokens), prices),
        )
        self._check_process()
        with self._lock:
            self._check_limits(self._total(), request, prices)
            self._last_id += 1
            self._outstanding[self._last_id] = request
            if not self._write() and self._budget != Budget():
                del self._outstanding[self._last_id]
                raise ModelError(
                    "no request was sent: the storage does not take its cost, and the study has"
                    " limits"
                )
            return Reservation(self._last_id, request, time.monotonic())

    def settle(
        self,
        reservation: Reservation,
        outcome: Completion | Usage | None,
        *,
        unanswered: int = 0,
    ) -> None:
        """Replace a reservation by what was spent; a second time has no effect.

        Args:
            reservation: What :meth:`reserve` returned.
            outcome: The completion; or, of a failed request, the tokens that the server reported
                (see :func:`~optuna_llm.chat.reported_usage`) or None.
            unanswered: Tries of a failed request that ended without an answer; each of them, and
                of a completion's, counts with all that was reserved.
        """
        seconds = time.monotonic() - reservation.started
        if isinstance(outcome, Completion):
            unanswered = outcome.unanswered
        spent = self._spent(outcome, seconds)
        if unanswered:
            spent += self._lost(reservation.spending, unanswered)
        self._check_process()
        with self._lock:
            self._begin_anew_if_deleted()
            if self._outstanding.pop(reservation.id, None) is not None:
                self._settled += spent
                self._write()

    def totals(self) -> Spending:
        """Return what all workers have spent, requests under way included."""
        self._check_process()
        with self._lock:
            return self._total()

    def entry(self) -> str:
        """Return the key of this worker's entry; another one where the ledger has begun anew."""
        self._check_process()
        with self._lock:
            self._begin_anew_if_deleted()
            return self._key

    def _begin_anew_if_deleted(self) -> None:
        """Forget a study that was deleted: a database may give its id to the next one."""
        entries = self._read()
        if self._written and entries is not None and self._key not in entries:
            self._reset()

    def _spent(self, outcome: Completion | Usage | None, seconds: float) -> Spending:
        failed = not isinstance(outcome, Completion)
        usage = outcome.usage if isinstance(outcome, Completion) else outcome or Usage(0, 0)
        cost = outcome.cost if isinstance(outcome, Completion) else None
        if cost is None:
            cost = 0.0 if usage == Usage(0, 0) else cost_of(usage, self._prices())
        return Spending(
            requests=1,
            failed_requests=int(failed),
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost=cost,
            seconds=outcome.seconds if isinstance(outcome, Completion) else seconds,
        )

    def _lost(self, reserved: Spending, tries: int) -> Spending:
        """Return what tries without an answer are taken to have cost."""
        usage = Usage(tries * reserved.prompt_tokens, tries * reserved.completion_tokens)
        return Spending(
            prompt_tokens=usage.prompt_tokens,
            completion_tokens=usage.completion_tokens,
            cost=cost_of(usage, self._prices()),
            unanswered=tries,
        )

    def _prices(self) -> Prices | None:
        """Return the model's prices, which a limit on cost needs."""
        return self._budget.prices(self._model)

    def _check_limits(self, total: Spending, request: Spending, prices: Prices | None) -> None:
        after = total + request
        budget = self._budget
        tokens = after.prompt_tokens + after.completion_tokens
        # Spent before prices were known: priced as today.
        usage = Usage(after.prompt_tokens, after.completion_tokens)
        cost = cost_of(usage, prices) if after.cost is None else after.cost
        exceeded = {
            "max_requests": budget.max_requests is not None
            and after.requests > budget.max_requests,
            "max_tokens": budget.max_tokens is not None and tokens > budget.max_tokens,
            "max_cost": budget.max_cost is not None and (cost or 0.0) > budget.max_cost,
            "max_seconds": budget.max_seconds is not None and after.seconds >= budget.max_seconds,
        }
        for name, value in exceeded.items():
            if value:
                raise BudgetExceededError(
                    f"{name}={getattr(budget, name)} leaves no room for a request of about "
                    f"{request.prompt_tokens:,} + {request.completion_tokens:,} tokens; spent so "
                    f"far: {total}"
                )

    def _total(self) -> Spending:
        self._begin_anew_if_deleted()
        return _sum([self._settled, *self._outstanding.values(), self._others])

    def _read(self) -> dict[str, Any] | None:
        """Return what the store holds, or None if it fails; take note of the others' entries."""
        try:
            entries = dict(self._store.read())
        except Exception as error:
            self._log_failure("reading", error)
            return None
        self._others = _sum(
            spending
            for key, value in entries.items()
            if key.startswith(KEY_PREFIX) and key != self._key
            for spending in _from_json(key, value)
        )
        return entries

    def _write(self) -> bool:
        """Write this worker's entry; return whether the store has taken it."""
        value = {
            "settled": asdict(self._settled),
            "reserved": asdict(_sum(self._outstanding.values())),
        }
        try:
            self._store.write(self._key, value)
        except Exception as error:
            self._log_failure("writing", error)
            return False
        self._written = True
        return True

    def _log_failure(self, doing: str, error: Exception) -> None:
        if not self._store_failed:
            self._store_failed = True
            _logger.warning(
                "The ledger of the model's costs failed at %s (%s); this worker goes on with its "
                "own counts, and, where there are limits, sends no request until it can write.",
                doing,
                type(error).__name__,
            )

    def _check_process(self) -> None:
        # A lock that was held during a fork stays held in the child, so this comes before it.
        if self._process != os.getpid():
            self._open()

    def __getstate__(self) -> dict[str, Any]:
        return {"_store": self._store, "_budget": self._budget, "_model": self._model}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._open()


def _sum(spendings: Iterable[Spending]) -> Spending:
    return sum(spendings, start=Spending())


def _from_json(key: str, value: Any) -> list[Spending]:
    """Return the settled and the reserved spending of one worker's entry."""
    names = {field.name for field in fields(Spending)}
    try:
        parts = [value["settled"], value["reserved"]]
        return [Spending(**{name: part[name] for name in part if name in names}) for part in parts]
    except (TypeError, KeyError):
        _logger.warning("The entry %s of the ledger cannot be read and is not counted.", key)
        return []
