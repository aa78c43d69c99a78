"""The samplers, by name; each is a context manager that yields one for a task and a seed."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext

from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler

from benchmarks.standin import serve
from benchmarks.tasks import Task
from optuna_llm import CQRSampler
from optuna_llm import LLMSampler


Opened = AbstractContextManager[BaseSampler]


def _plain(build: Callable[[int], BaseSampler]) -> Callable[[Task, int], Opened]:
    return lambda task, seed: nullcontext(build(seed))


def _tpe(seed: int) -> TPESampler:
    return TPESampler(seed=seed)


def _llm(
    kind: str, base: Callable[[int], BaseSampler] | None = None
) -> Callable[[Task, int], Opened]:
    @contextmanager
    def opened(task: Task, seed: int) -> Iterator[BaseSampler]:
        with serve(task, kind, seed) as url:
            yield LLMSampler(
                "stand-in",
                base_url=url,
                search_space=task.space,
                base_sampler=None if base is None else base(seed),
                seed=seed,
            )

    return opened


SAMPLERS: dict[str, Callable[[Task, int], Opened]] = {
    "Random": _plain(lambda seed: RandomSampler(seed=seed)),
    "TPE": _plain(_tpe),
    "CQR": _plain(lambda seed: CQRSampler(seed=seed)),
    "LLM, no model": _plain(lambda seed: LLMSampler(seed=seed)),
    "LLM, good model": _llm("good"),
    "LLM, random model": _llm("random"),
    "LLM, worst model": _llm("worst"),
    "LLM on TPE, good model": _llm("good", _tpe),
    "LLM on TPE, random model": _llm("random", _tpe),
    "LLM on TPE, worst model": _llm("worst", _tpe),
}
