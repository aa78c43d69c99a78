"""One exchange with the model: ask, read, let it mend its reply once; now or in the background.

An exchange needs nothing of Optuna but the ledger's store, so that it can run in a thread while
the objective trains. It never raises: what went wrong is part of its result.
"""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import dataclass
import inspect
import threading
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat import Budget
from optuna_llm.chat import ChatModel
from optuna_llm.chat import Completion
from optuna_llm.chat import Ledger
from optuna_llm.chat import estimate_prompt_tokens
from optuna_llm.chat import redact
from optuna_llm.chat import reported_usage
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import ModelError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.prompts import parse_proposals
from optuna_llm.prompts import repair_messages
from optuna_llm.provenance import StudyStore
from optuna_llm.space import SearchSpace


if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from optuna import Study

    from optuna_llm.chat import Message


# What a reply is taken to need until the provider has reported it.
_EXPECTED_OUTPUT_TOKENS = 2000


@dataclass(frozen=True)
class Candidate:
    """One configuration that a model has proposed.

    Attributes:
        params: The legal native values that it holds.
        reason: The model's reason, as it gave it.
        repaired, dropped: Number of values that were snapped or clipped, and that were unusable.
        violations: What was wrong with it, a line each.
    """

    params: dict[str, Any]
    reason: str
    repaired: int = 0
    dropped: int = 0
    violations: tuple[str, ...] = ()


@dataclass(frozen=True)
class Exchange:
    """What came of asking the model.

    Attributes:
        candidates: Configurations with at least one usable value, in the model's order.
        completions: The replies, one or (after a repair turn) two.
        requests: Requests sent, failed ones included.
        error: Why there are no candidates, or None.
    """

    candidates: tuple[Candidate, ...] = ()
    completions: tuple[Completion, ...] = ()
    requests: int = 0
    error: OptunaLLMError | None = None

    @property
    def cost(self) -> float | None:
        """Money spent, or None if the prices are not known."""
        costs = [c.cost for c in self.completions]
        return None if None in costs or not costs else sum(c for c in costs if c is not None)


class Assistant:
    """A model, its budget, and the replies that are on their way.

    Args:
        model: The model.
        budget: Limits of the whole study, all workers together.
        max_output_tokens: Sent to the model if given.
    """

    def __init__(
        self, model: ChatModel, budget: Budget, max_output_tokens: int | None = None
    ) -> None:
        self.model = model
        self.has_answered = False
        self._budget = budget
        self._max_output_tokens = max_output_tokens
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._ledgers: dict[str, Ledger] = {}
        self._coming: dict[str, Future[Exchange]] = {}

    def __getstate__(self) -> dict[str, Any]:
        # Locks, open ledgers and replies on their way belong to this process.
        own = ("_lock", "_ledgers", "_coming")
        return {k: v for k, v in self.__dict__.items() if k not in own}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def ledger(self, study: Study) -> Ledger:
        """Return this worker's ledger of a study."""
        with self._lock:
            if study.study_name not in self._ledgers:
                self._ledgers[study.study_name] = Ledger(
                    StudyStore(study), self._budget, model=self.model
                )
            return self._ledgers[study.study_name]

    def exchange(
        self,
        ledger: Ledger,
        space: SearchSpace,
        messages: Sequence[Message],
        schema: dict[str, Any],
    ) -> Exchange:
        """Ask for configurations; with one repair turn if no candidate is clean."""
        completions: list[Completion] = []
        candidates: list[Candidate] = []
        requests = 0
        conversation = list(messages)
        try:
            for _ in range(2):
                requests += 1
                completion = self.ask(ledger, conversation, schema)
                completions.append(completion)
                # The corrected candidates come first.
                candidates = _candidates(completion.text, space) + candidates
                if any(not c.violations for c in candidates):
                    break
                violations = [v for c in candidates for v in c.violations]
                conversation = repair_messages(
                    messages, completion.text, violations or ["no configuration was found"]
                )
        except OptunaLLMError as error:
            requests -= isinstance(error, BudgetExceededError)  # No request was sent.
            # A repair turn that fails leaves the values that the first reply held.
            if not candidates:
                return Exchange((), tuple(completions), requests, error)
        self.has_answered = True
        if not candidates:
            unusable = ModelError(f"{self.model.name} named no usable value in {requests} replies")
            return Exchange((), tuple(completions), requests, unusable)
        return Exchange(tuple(candidates), tuple(completions), requests)

    def ask(
        self,
        ledger: Ledger,
        messages: Sequence[Message],
        schema: dict[str, Any] | None,
        *,
        top_logprobs: int | None = None,
    ) -> Completion:
        """Send one request within the budget.

        Args:
            ledger: The study's.
            messages: What to ask.
            schema: The form of the answer, if it is JSON.
            top_logprobs: Number of log-probabilities wanted for each token, if any.

        Raises:
            OptunaLLMError: The budget is used up, or the model did not answer.
        """
        more = {}
        if top_logprobs is not None and _takes_logprobs(self.model):
            more["top_logprobs"] = top_logprobs
        expected = self._max_output_tokens or _EXPECTED_OUTPUT_TOKENS
        reservation = ledger.reserve(estimate_prompt_tokens(messages), expected)
        failure: OptunaLLMError | None = None
        try:
            completion = self.model.complete(
                messages, schema=schema, max_output_tokens=self._max_output_tokens, **more
            )
        except OptunaLLMError as error:
            failure = error
        except Exception as error:
            # A model of the user's own may raise anything, with a key in it.
            raised = f"{type(error).__name__}: {redact(str(error))}"
            failure = ModelError(f"{self.model.name} raised {raised}")
        except BaseException:
            ledger.settle(reservation, None)
            raise
        if failure is not None:
            ledger.settle(reservation, reported_usage(failure))
            raise failure
        ledger.settle(reservation, completion)
        return completion

    # ---- in the background

    def prepare(self, study: Study, ask: Callable[[], Exchange]) -> None:
        """Start an exchange for a coming turn, unless one is on its way."""
        with self._lock:
            if study.study_name in self._coming:
                return
            future: Future[Exchange] = Future()
            self._coming[study.study_name] = future

        def run() -> None:
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)

        # A daemon: a study that has ended does not wait for a reply that nobody needs.
        threading.Thread(target=run, name="optuna-llm-exchange", daemon=True).start()

    def is_preparing(self, study: Study) -> bool:
        """Whether an exchange is on its way or has arrived."""
        with self._lock:
            return study.study_name in self._coming

    def collect(self, study: Study) -> Exchange | None:
        """Return the exchange that was prepared, waiting for it if need be; None without one."""
        with self._lock:
            future = self._coming.pop(study.study_name, None)
        return None if future is None else future.result()


def _takes_logprobs(model: ChatModel) -> bool:
    """Whether a model, perhaps the user's own, has the argument."""
    parameters = inspect.signature(model.complete).parameters.values()
    return any(p.name == "top_logprobs" or p.kind is p.VAR_KEYWORD for p in parameters)


def _candidates(text: str, space: SearchSpace) -> list[Candidate]:
    found = []
    for proposal in parse_proposals(text, space):
        repair = space.repair(proposal.params)
        if repair.params:
            counts = len(repair.repaired), len(repair.dropped)
            problems = tuple(repair.violations)
            found.append(Candidate(repair.params, proposal.reason, *counts, problems))
    return found
