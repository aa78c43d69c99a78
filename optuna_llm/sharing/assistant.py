"""One exchange with the model: ask, read, let it mend its reply once; now or in the background.

An exchange needs nothing of Optuna but the ledger's store, so that it can run in a thread while
the objective trains. It never raises: what went wrong is part of its result.
"""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError
import contextlib
from dataclasses import dataclass
from dataclasses import field
from dataclasses import replace
import inspect
import os
import threading
from typing import TYPE_CHECKING
from typing import Any

from optuna_llm.chat import Budget
from optuna_llm.chat import ChatModel
from optuna_llm.chat import Completion
from optuna_llm.chat import Ledger
from optuna_llm.chat import estimate_prompt_tokens
from optuna_llm.chat import is_timeout
from optuna_llm.chat import reported_usage
from optuna_llm.chat import tokens_for
from optuna_llm.errors import BudgetExceededError
from optuna_llm.errors import ModelError
from optuna_llm.errors import OptunaLLMError
from optuna_llm.errors import redact
from optuna_llm.history.candidate import Candidate
from optuna_llm.history.cost import Cost
from optuna_llm.history.statement import Statement
from optuna_llm.history.study_store import StudyStore
from optuna_llm.prompts import repair_messages
from optuna_llm.prompts.roles import REPEAT
from optuna_llm.replies.as_shown import as_shown
from optuna_llm.replies.repair import repair
from optuna_llm.replies.reply import parse_proposals
from optuna_llm.replies.statement import Said
from optuna_llm.replies.statement import read_statement
from optuna_llm.sharing.narration import asking
from optuna_llm.sharing.per_study import PerStudy
from optuna_llm.space.search_space import SearchSpace


if TYPE_CHECKING:
    from collections.abc import Callable
    from collections.abc import Sequence

    from optuna import Study

    from optuna_llm.chat import Message
    from optuna_llm.prompts import View


# What a reply without a form is taken to need until the provider has reported it.
_EXPECTED_OUTPUT_TOKENS = 2000


@dataclass(frozen=True)
class Exchange:
    """What came of asking the model.

    Attributes:
        candidates: Configurations with at least one usable value, in the model's order.
        completions: The replies, one or (after a repair turn) two.
        requests: Requests sent, failed ones included.
        error: Why there are no candidates, or None.
        said: What the last reply said beside.
        statement: What of that is to be stored.
    """

    candidates: tuple[Candidate, ...] = ()
    completions: tuple[Completion, ...] = ()
    requests: int = 0
    error: OptunaLLMError | None = None
    said: Said = field(default_factory=Said)
    statement: Statement = field(default_factory=Statement)

    def spent(self, model: str) -> Cost:
        """Return what it has cost; ``model`` is the name where no reply tells a better one."""
        prices = [c.cost for c in self.completions]
        known = [c for c in prices if c is not None]
        cost = Cost(
            model=self.completions[-1].model if self.completions else model,
            requests=self.requests,
            prompt_tokens=sum(c.usage.prompt_tokens for c in self.completions),
            completion_tokens=sum(c.usage.completion_tokens for c in self.completions),
            cost=sum(known) if prices and len(known) == len(prices) else None,
            seconds=round(sum(c.seconds for c in self.completions), 3),
        )
        return cost if self.error is None else cost.with_error(self.error)

    def restored(self, view: View) -> Exchange:
        """Return an exchange about a view of a study as one about the study itself.

        Its candidates have the user's names, and of trials that they copy all digits.
        """

        def own(c: Candidate) -> Candidate:
            meant = as_shown(view.space, view.history, c.params, is_repeat=c.role == REPEAT)
            params, reason = view.restore(meant), view.restore_text(c.reason)
            return replace(c, params=params, reason=reason)

        said = self.said.restored(view.restore, view.own_name)
        return replace(self, candidates=tuple(map(own, self.candidates)), said=said)

    def legal(self, space: SearchSpace) -> Exchange:
        """Return the exchange as far as a space, whose ranges may have changed, allows it."""
        candidates = (c.legal(space) for c in self.candidates)
        return replace(self, candidates=tuple(c for c in candidates if c.params))


class Assistant:
    """A model, its budget, and the replies that are on their way.

    What it remembers of a study may be lost, and is so in a copy, a pickle and a forked child:
    there it begins anew.

    Args:
        model: The model.
        budget: Limits of the whole study, all workers together.
        max_output_tokens: Sent to the model if given.
        deadline: Most seconds that one request to the model takes.

    Raises:
        ConfigurationError: There is a limit on cost and no price is known.
    """

    def __init__(
        self,
        model: ChatModel,
        budget: Budget,
        max_output_tokens: int | None = None,
        *,
        deadline: float = 120.0,
    ) -> None:
        budget.prices(model)  # A limit on cost that cannot be held is refused at once.
        self.model = model
        self.has_answered = False
        self._budget = budget
        self._max_output_tokens = max_output_tokens
        # An exchange is two requests at most; some room for a busy machine.
        self._patience = 2 * deadline + 10.0
        self._forget()

    def _forget(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._ledgers = PerStudy[Ledger]()
        # With the ledger's entry at the time: a study of the same id may be another one by now.
        self._coming = PerStudy[tuple[str, Future[Exchange]]]()
        self._first_trials = PerStudy[int]()
        self._threads_see = PerStudy[bool]()

    def _here(self) -> threading.Lock:
        """Return the lock of this process.

        A forked child has neither the threads that its parent's replies come from, nor those that
        may have held a lock.
        """
        if self._process != os.getpid():
            self._forget()
        return self._lock

    def __getstate__(self) -> dict[str, Any]:
        return {k: v for k, v in self.__dict__.items() if k != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._forget()

    def ledger(self, study: Study) -> Ledger:
        """Return this worker's ledger of a study."""
        with self._here():
            return self._ledgers.get(study) or self._ledgers.set(
                study, Ledger(StudyStore(study), self._budget, model=self.model)
            )

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
        said = read_statement(completions[-1].text, space)
        return Exchange(tuple(candidates), tuple(completions), requests, said=said)

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
        expected = self._max_output_tokens or (
            _EXPECTED_OUTPUT_TOKENS if schema is None else tokens_for(schema)
        )
        reservation = ledger.reserve(estimate_prompt_tokens(messages), expected)
        failure: OptunaLLMError | None = None
        try:
            with asking(self.model.name, reservation.spending.prompt_tokens):
                completion = self.model.complete(
                    messages, schema=schema, max_output_tokens=self._max_output_tokens, **more
                )
        except OptunaLLMError as error:
            failure = error
        except Exception as error:
            # A model of the user's own may raise anything, with a key in it.
            raised = f"{type(error).__name__}: {redact(str(error))}"
            failure = ModelError(f"{self.model.name} raised {raised}")
            failure.unanswered = int(is_timeout(error))
        except BaseException:
            # Interrupted while the model was at work.
            ledger.settle(reservation, None, unanswered=1)
            raise
        if failure is not None:
            unanswered = failure.unanswered if isinstance(failure, ModelError) else 0
            ledger.settle(reservation, reported_usage(failure), unanswered=unanswered)
            raise failure
        ledger.settle(reservation, completion)
        return completion

    # ---- in the background

    def can_prepare(self, study: Study, number: int) -> bool:
        """Whether this process is likely to see the study's next trials, and their answers.

        One that samples a single trial (a child for each evaluation, a job for each trial, a study
        loaded anew for each request of a service) would pay for an answer that nobody collects;
        so the first trial of a study that a process samples prepares nothing. Neither does a
        storage that other threads do not see, such as ``sqlite:///:memory:``.

        Args:
            study: The study.
            number: The number of the trial that is being sampled.
        """
        with self._here():
            first = self._first_trials.get(study)
            if first is None:
                first = self._first_trials.set(study, number)
            if first == number:
                return False
            seen = self._threads_see.get(study)
            if seen is None:
                seen = self._threads_see.set(study, _threads_see(StudyStore(study)))
            return seen

    def prepare(self, study: Study, ask: Callable[[], Exchange]) -> None:
        """Start an exchange for a coming turn, unless one is on its way."""
        entry = self.ledger(study).entry()
        with self._here():
            if self._coming.get(study) is not None:
                return
            _, future = self._coming.set(study, (entry, Future[Exchange]()))
        # While its costs are to be written, the storage must be there.
        held = study._storage

        def run() -> None:
            nonlocal held
            try:
                future.set_result(ask())
            except BaseException as error:
                future.set_exception(error)
            finally:
                del held

        # A daemon: a study that has ended does not wait for a reply that nobody needs.
        threading.Thread(target=run, name="optuna-llm-exchange", daemon=True).start()

    def is_preparing(self, study: Study) -> bool:
        """Whether an exchange is on its way or has arrived."""
        with self._here():
            return self._coming.get(study) is not None

    def collect(self, study: Study) -> Exchange | None:
        """Return the exchange that was prepared, waiting for it if need be; None without one."""
        with self._here():
            entry, future = self._coming.pop(study) or (None, None)
        if future is None or entry != self.ledger(study).entry():
            return None
        try:
            return future.result(self._patience)
        except TimeoutError:
            late = ModelError(
                f"no answer from {self.model.name} in the background within {self._patience:.3g} s"
            )
            return Exchange(requests=1, error=late)


def _threads_see(store: StudyStore) -> bool:
    """Whether a thread of its own can read a study."""
    read: list[object] = []

    def run() -> None:
        with contextlib.suppress(Exception):
            read.append(store.read())

    thread = threading.Thread(target=run, name="optuna-llm-probe", daemon=True)
    thread.start()
    thread.join()
    return bool(read)


def _takes_logprobs(model: ChatModel) -> bool:
    """Whether a model, perhaps the user's own, has the argument."""
    parameters = inspect.signature(model.complete).parameters.values()
    return any(p.name == "top_logprobs" or p.kind is p.VAR_KEYWORD for p in parameters)


def _candidates(text: str, space: SearchSpace) -> list[Candidate]:
    found = []
    for proposal in parse_proposals(text, space):
        outcome = repair(space, proposal.params)
        if outcome.params:
            counts = len(outcome.repaired), len(outcome.dropped)
            problems = tuple(outcome.violations)
            role, expected = proposal.role.casefold(), proposal.expected
            found.append(
                Candidate(outcome.params, proposal.reason, *counts, problems, role, expected)
            )
    return found
