"""The samplers, by name. A sampler is one line: its name, and how it is built for a study."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from contextlib import contextmanager
from contextlib import nullcontext
from dataclasses import dataclass
from dataclasses import replace
import importlib
from pathlib import Path
from typing import Any

from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import GPSampler
from optuna.samplers import QMCSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler

from benchmarks.standin import serve
from benchmarks.suites.tables import Table
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from tests.neighbours import Neighbours
from tests.server import ChatServer


@dataclass(frozen=True)
class Endpoint:
    """The language model that the user names.

    Attributes:
        model: Its name, as ``LLMSampler`` takes it.
        base_url: The address of its server.
        cassettes: A folder in which each study records its exchanges, and from which it replays
            them; without a model everything is replayed.
    """

    model: str | None = None
    base_url: str | None = None
    cassettes: Path | None = None


@dataclass(frozen=True)
class Study:
    """What a sampler may be told of the study that it is built for."""

    task: Task
    seed: int
    n_trials: int
    endpoint: Endpoint = Endpoint()


Opened = AbstractContextManager[BaseSampler]


@dataclass(frozen=True)
class Entry:
    """A sampler of the benchmark.

    Attributes:
        open: Makes a context manager that yields the sampler of one study.
        seeded: Whether the usual configuration of the embedded prior is enqueued first.
    """

    open: Callable[[Study], Opened]
    seeded: bool = False


def _plain(build: Callable[[Study], BaseSampler]) -> Entry:
    return Entry(lambda study: nullcontext(build(study)))


def _peer(module: str, adapter: str, **options: Any) -> Entry:
    """Return an adapter of ``benchmarks.peers``; it is imported when it is first used."""

    def adapted(study: Study) -> BaseSampler:
        build = getattr(importlib.import_module(f"benchmarks.peers.{module}"), adapter)
        sampler: BaseSampler = build(study, **options)
        return sampler

    return _plain(adapted)


def _stand_in(kind: str, base: Callable[[int], BaseSampler] | None = None) -> Entry:
    """Return ``LLMSampler`` with a stand-in model, which needs to know what is good."""

    @contextmanager
    def opened(study: Study) -> Iterator[BaseSampler]:
        table = getattr(study.task, "task", study.task)
        if not isinstance(table, Table):
            raise UnavailableError(f"stand-in models know only tables, not {study.task.name}")
        with serve(table, kind, study.seed) as url:
            yield LLMSampler(
                "stand-in",
                base_url=url,
                search_space=study.task.space,
                base_sampler=None if base is None else base(study.seed),
                seed=study.seed,
            )

    return Entry(opened)


def _reading(name: str, **options: Any) -> Entry:
    """Return a sampler of ours with a stand-in that knows only what its prompts say."""

    @contextmanager
    def opened(study: Study) -> Iterator[BaseSampler]:
        with ChatServer(Neighbours(study.seed)) as server:
            endpoint = Endpoint("stand-in", server.base_url)
            with _language_model(name, **options).open(replace(study, endpoint=endpoint)) as own:
                yield own

    return Entry(opened)


def _language_model(name: str, **options: Any) -> Entry:
    """Return a sampler of ours with the user's own model, or with what was recorded of one."""

    def build(study: Study) -> BaseSampler:
        from optuna_llm import Cassette

        model: Any = study.endpoint.model
        folder = study.endpoint.cassettes
        if model is None and folder is None:
            raise UnavailableError("name a model with --model, or recorded ones with --cassettes")
        cassette = None
        if folder is not None:
            task = study.task.name.replace("/", "_")
            path = folder / f"{name}_{task}_{study.seed}.jsonl"
            if model is None and not path.exists():
                raise UnavailableError(f"{path} is not there, and no --model to record it from")
            if model is None:
                model = Cassette(path, "replay").wrap(None)
            else:
                cassette = Cassette(path)
        kind = getattr(importlib.import_module("optuna_llm"), name)
        sampler: BaseSampler = kind(
            model,
            base_url=study.endpoint.base_url,
            search_space=None if study.task.conditions else study.task.space,
            cassette=cassette,
            seed=study.seed,
            **options,
        )
        return sampler

    return _plain(build)


def _tpe(seed: int) -> TPESampler:
    return TPESampler(seed=seed)


OURS: dict[str, Entry] = {
    "CQR": _plain(lambda s: CQRSampler(seed=s.seed)),
    "LLM, no model": _plain(lambda s: LLMSampler(seed=s.seed)),
    # Without prefetching nothing depends on the clock, and the latency counts in full.
    "LLM": _language_model("LLMSampler", prefetch=False),
    "LLAMBO": _language_model("LLAMBOSampler"),
}
READING: dict[str, Entry] = {
    "LLM, reading model": _reading("LLMSampler", prefetch=False),
    "LLAMBO, reading model": _reading("LLAMBOSampler"),
}
GUARD: dict[str, Entry] = {
    "LLM, good model": _stand_in("good"),
    "LLM, random model": _stand_in("random"),
    "LLM, worst model": _stand_in("worst"),
    "LLM on TPE, good model": _stand_in("good", _tpe),
    "LLM on TPE, random model": _stand_in("random", _tpe),
    "LLM on TPE, worst model": _stand_in("worst", _tpe),
}
OPTUNA: dict[str, Entry] = {
    "Random": _plain(lambda s: RandomSampler(seed=s.seed)),
    "QMC": _plain(lambda s: QMCSampler(scramble=True, seed=s.seed)),
    "TPE": _plain(lambda s: _tpe(s.seed)),
    "TPE, univariate": _plain(lambda s: TPESampler(multivariate=False, seed=s.seed)),
    "TPE, group": _plain(lambda s: TPESampler(multivariate=True, group=True, seed=s.seed)),
    "GP": _plain(lambda s: GPSampler(seed=s.seed)),
    "CMA-ES": _plain(lambda s: CmaEsSampler(seed=s.seed)),
}
ELSEWHERE: dict[str, Entry] = {
    "AutoSampler": _peer("hub", "load", package="auto_sampler", name="AutoSampler"),
    "HEBO": _peer("hub", "load", package="hebo", name="HEBOSampler", announced=True),
    "SMAC": _peer("smac3", "SmacSampler"),
    "Syne Tune CQR": _peer("synetune", "SyneTuneSampler", scheduler="CQR"),
    "BORE": _peer("synetune", "SyneTuneSampler", scheduler="BORE"),
    "ConfOpt": _peer("conformal_tuner", "ConfOptSampler"),
}
# The control that is missing in the literature: known defaults cost nobody anything to try first.
SEEDED: dict[str, Entry] = {
    f"{name}, seeded": Entry(entry.open, seeded=True)
    for name, entry in {**OPTUNA, **ELSEWHERE, "CQR": OURS["CQR"]}.items()
}
SAMPLERS: dict[str, Entry] = {**OPTUNA, **ELSEWHERE, **OURS, **READING, **GUARD, **SEEDED}
GROUPS: dict[str, tuple[str, ...]] = {
    "optuna": tuple(OPTUNA),
    "elsewhere": tuple(ELSEWHERE),
    "ours": tuple(OURS),
    "reading": tuple(READING),
    "seeded": tuple(SEEDED),
    "guard": ("Random", "TPE", "CQR", "LLM, no model", *GUARD),
    "quick": ("Random", "TPE", "TPE, seeded", "GP", "CQR", "CQR, seeded", "LLM, no model"),
    "all": tuple(SAMPLERS),
}
