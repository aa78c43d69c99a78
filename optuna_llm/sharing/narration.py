"""What the log tells of a model at work: that it is asked, waited for, and what it answered."""

from __future__ import annotations

from collections.abc import Iterator
import contextlib
import threading
import time
from typing import TYPE_CHECKING

import optuna

from optuna_llm.space.words import counted


if TYPE_CHECKING:
    from optuna_llm.chat import Spending
    from optuna_llm.sharing.proposal import Proposal


_logger = optuna.logging.get_logger(f"optuna.{__name__}")

# Seconds of a wait before it is announced, and between two announcements.
FIRST_WORD, NEXT_WORD = 20.0, 60.0


@contextlib.contextmanager
def asking(model: str, prompt_tokens: int) -> Iterator[None]:
    """Tell that a model is asked, and while it takes long, that it still has not answered."""
    _logger.info(f"Asking {model}, with a prompt of about {prompt_tokens:,} tokens.")
    answered = threading.Event()
    started = time.monotonic()

    def announce() -> None:
        pause = FIRST_WORD
        while not answered.wait(pause):
            waited = time.monotonic() - started
            _logger.info(f"Waiting for {model} since {waited:.0f} s.")
            pause = NEXT_WORD

    # A daemon: a program that ends does not wait for it.
    threading.Thread(target=announce, name="optuna-llm-waiting", daemon=True).start()
    try:
        yield
    finally:
        answered.set()


def tell_answer(number: int, proposal: Proposal, spending: Spending) -> None:
    """Tell what came of the requests for a trial, and what the study has spent by then.

    Args:
        number: The trial's.
        proposal: What is run.
        spending: Of all workers of the study.
    """
    cost, asked = proposal.cost, proposal.queue.asked
    if not cost.requests:
        return
    times = "" if cost.requests == 1 else f" {cost.requests} times"
    head = (
        f"Trial {number}: {cost.model} answered{times} in {cost.seconds:.1f} s,"
        f" {cost.prompt_tokens:,} + {cost.completion_tokens:,} tokens"
    )
    if cost.error is not None:
        head = f"Trial {number}: {cost.model} brought nothing ({cost.error})"
    candidates = counted(asked, "candidate")
    if not asked:
        fate = ""
    elif proposal.origin.vetoed == "llm":
        fate = f"; {candidates}, none worth a trial"
    elif proposal.origin.source == "llm":
        kept = len(proposal.queue.candidates)
        fate = f"; {candidates}, one is run" + (f", {kept} kept" if kept else "")
    else:
        fate = f"; {candidates}, {len(proposal.queue.candidates)} kept for later trials"
    _logger.info(f"{head}{fate}. So far {spending}.")
