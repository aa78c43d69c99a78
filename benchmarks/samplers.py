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

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import CmaEsSampler
from optuna.samplers import GPSampler
from optuna.samplers import NSGAIISampler
from optuna.samplers import QMCSampler
from optuna.samplers import RandomSampler
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial

from benchmarks.peers.remote import opened
from benchmarks.priors import Mirrored
from benchmarks.priors import sizes_of
from benchmarks.standin import serve
from benchmarks.standin import source
from benchmarks.suites.tables import Table
from benchmarks.suites.transfer import Retuned
from benchmarks.task import Task
from benchmarks.task import UnavailableError
from optuna_llm import AgentSampler
from optuna_llm import CQRSampler
from optuna_llm import LLMSampler
from optuna_llm import warm_start
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.transfer.teaching import EarlierStudies
from tests.support.neighbours import Neighbours
from tests.support.server import ChatServer


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


# Beyond so many trials AutoSampler takes TPE.
_MAX_AUTO_GP = 250
Opened = AbstractContextManager[BaseSampler]


@dataclass(frozen=True)
class Entry:
    """A sampler of the benchmark.

    Attributes:
        open: Makes a context manager that yields the sampler of one study.
        begin: Prepares the study, before it begins.
    """

    open: Callable[[Study], Opened]
    begin: Callable[[optuna.Study, Study], object] | None = None


def _enqueue_usual(study: optuna.Study, told: Study) -> None:
    """Enqueue the usual configuration of the embedded prior."""
    study.enqueue_trial(told.task.default())


def _earlier(told: Study) -> list[optuna.Study]:
    """Return what a task of the suite ``transfer`` has been tuned by before, oldest first."""
    if not isinstance(told.task, Retuned):
        raise UnavailableError(f"{told.task.name} has not been tuned before")
    return told.task.earlier(told.seed)


def _warm_start(study: optuna.Study, told: Study) -> None:
    assert isinstance(told.task, Retuned)
    warm_start(
        study,
        _earlier(told),
        search_space=told.task.space,
        fixed=told.task.fixed,
        n_trials=told.n_trials,
    )


def _enqueue_best_of_last(study: optuna.Study, told: Study) -> None:
    """Enqueue the best of the last study as a careful user would, in today's space."""
    assert isinstance(told.task, Retuned)
    warm_start(study, _earlier(told)[-1], n=1, search_space=told.task.space, fixed=told.task.fixed)


def _add_all(study: optuna.Study, told: Study) -> None:
    """Add all earlier trials with their values, but for those of other choices.

    Optuna takes these, and lets no trial suggest today's choices after that.
    """
    for trial in (t for earlier in _earlier(told) for t in earlier.trials):
        today = ((told.task.space.get(n), d) for n, d in trial.distributions.items())
        if all(isinstance(d, type(t)) and _same_choices(t, d) for t, d in today if t is not None):
            study.add_trial(trial)


def _same_choices(a: BaseDistribution | None, b: BaseDistribution) -> bool:
    return getattr(a, "choices", None) == getattr(b, "choices", None)


def _teach(study: optuna.Study, told: Study) -> None:
    """Give CQRSampler the earlier studies as its sources."""
    assert isinstance(told.task, Retuned)
    sources = EarlierStudies(_earlier(told), fixed=told.task.fixed)
    study.sampler = CQRSampler(sources=sources, seed=told.seed)


def _teach_and_warm_start(study: optuna.Study, told: Study) -> None:
    _teach(study, told)
    _warm_start(study, told)


def _retuned(
    build: Callable[[Study], BaseSampler],
    begin: Callable[[optuna.Study, Study], object] | None = None,
) -> Entry:
    """Return a sampler for tasks that have been tuned before, and for no others."""

    def checked(study: Study) -> BaseSampler:
        if not isinstance(study.task, Retuned):
            raise UnavailableError(f"{study.task.name} has not been tuned before")
        return build(study)

    return Entry(_plain(checked).open, begin)


def _plain(build: Callable[[Study], BaseSampler]) -> Entry:
    return Entry(lambda study: nullcontext(build(study)))


def _peer(module: str, environment: str, **options: Any) -> Entry:
    """Return a peer of ``benchmarks.peers``, in an environment of its own."""
    return Entry(lambda study: opened(study, module, environment, **options))


def _auto(study: Study) -> BaseSampler:
    """Return what OptunaHub's AutoSampler would choose, by its published rule."""
    spaces = study.task.space.values()
    is_numeric = not any(isinstance(d, CategoricalDistribution) for d in spaces)
    if is_numeric and not study.task.conditions and study.n_trials <= _MAX_AUTO_GP:
        return GPSampler(seed=study.seed)
    return TPESampler(multivariate=True, group=bool(study.task.conditions), seed=study.seed)


def _stand_in(kind: str, base: Callable[[int], BaseSampler] | None = None) -> Entry:
    """Return ``LLMSampler`` with a stand-in model, which needs to know what is good."""

    @contextmanager
    def opened(study: Study) -> Iterator[BaseSampler]:
        with serve(_table(study.task), kind, study.seed) as url:
            yield LLMSampler(
                "stand-in",
                base_url=url,
                search_space=study.task.space,
                base_sampler=None if base is None else base(study.seed),
                seed=study.seed,
            )

    return Entry(opened)


class _Watched(AgentSampler):
    """A study with an agent that suggests a configuration before each trial."""

    def __init__(self, propose: Callable[[], dict[str, Any]], **options: Any) -> None:
        super().__init__(**options)
        self._propose_one = propose

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        self.suggest(study, self._propose_one(), why="stand-in")
        super().before_trial(study, trial)


def _agent(kind: str) -> Entry:
    """Return ``AgentSampler`` with a stand-in agent, which needs to know what is good."""

    def build(study: Study) -> BaseSampler:
        propose = source(_table(study.task), kind, study.seed)
        return _Watched(propose, search_space=study.task.space, seed=study.seed)

    return _plain(build)


def _table(task: Task) -> Table:
    table = getattr(task, "task", task)
    if not isinstance(table, Table):
        raise UnavailableError(f"stand-ins know only tables, not {task.name}")
    return table


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


def _knowing(prior: EmbeddedPrior) -> Entry:
    return _plain(lambda s: CQRSampler(prior=prior, seed=s.seed))


def _tpe(seed: int) -> TPESampler:
    return TPESampler(seed=seed)


OURS: dict[str, Entry] = {
    "CQR": _plain(lambda s: CQRSampler(seed=s.seed)),
    "LLM, no model": _plain(lambda s: LLMSampler("none", seed=s.seed)),
    # Without prefetching nothing depends on the clock, and the latency counts in full.
    "LLM": _language_model("LLMSampler", prefetch=False),
    "LLAMBO": _language_model("LLAMBOSampler"),
    # For small models, which read and write slowly.
    "LLM, short prompts": _language_model(
        "LLMSampler", prefetch=False, reasoning="none", n_candidates=2, prompt_tokens=300
    ),
}
# What each kind of knowledge adds to usual values; "CQR" has usual values and portfolios.
KNOWLEDGE: dict[str, Entry] = {
    "CQR, usual values": _knowing(EmbeddedPrior(portfolios=False)),
    "CQR, relations": _knowing(EmbeddedPrior(portfolios=False, together=True)),
    "CQR, mirrored relations": _knowing(Mirrored(portfolios=False, together=True)),
    "CQR, sizes": _plain(
        lambda s: CQRSampler(
            prior=EmbeddedPrior(portfolios=False, scale=sizes_of(s.task)), seed=s.seed
        )
    ),
    "CQR, portfolios and relations": _knowing(EmbeddedPrior(together=True)),
    "CQR, all knowledge": _plain(
        lambda s: CQRSampler(
            prior=EmbeddedPrior(together=True, scale=sizes_of(s.task)), seed=s.seed
        )
    ),
}
# BORE with the candidates of CQRSampler, weighted by improvement and not.
ORDER: dict[str, Entry] = {
    "CQR, classifier": _plain(lambda s: CQRSampler(surrogate="classifier", seed=s.seed)),
    "CQR, classifier, pi": _plain(
        lambda s: CQRSampler(surrogate="classifier", acquisition="pi", seed=s.seed)
    ),
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
AGENTS: dict[str, Entry] = {f"Agent, {kind}": _agent(kind) for kind in ("good", "random", "worst")}
OPTUNA: dict[str, Entry] = {
    "Random": _plain(lambda s: RandomSampler(seed=s.seed)),
    "QMC": _plain(lambda s: QMCSampler(scramble=True, seed=s.seed)),
    "TPE": _plain(lambda s: _tpe(s.seed)),
    "TPE, univariate": _plain(lambda s: TPESampler(multivariate=False, seed=s.seed)),
    "TPE, group": _plain(lambda s: TPESampler(multivariate=True, group=True, seed=s.seed)),
    "GP": _plain(lambda s: GPSampler(seed=s.seed)),
    "NSGA-II": _plain(lambda s: NSGAIISampler(seed=s.seed)),
    "CMA-ES": _plain(lambda s: CmaEsSampler(seed=s.seed)),
}
ELSEWHERE: dict[str, Entry] = {
    "AutoSampler": _plain(_auto),
    "SMAC": _peer("smac_forest", "smac"),
    "SMAC, piBO": _peer("smac_forest", "smac", prior=True),
    "Syne Tune CQR": _peer("syne_tune_schedulers", "syne-tune", scheduler="CQR"),
    "BORE": _peer("syne_tune_schedulers", "syne-tune", scheduler="BORE"),
    "ConfOpt": _peer("confopt_tuner", "confopt"),
    "Vizier": _peer("vizier_bandit", "vizier"),
    "Ax": _peer("ax_client", "ax"),
    "HEBO": _peer("hebo_mace", "hebo"),
}
# The control that is missing in the literature: known defaults cost nobody anything to try first.
SEEDED: dict[str, Entry] = {
    f"{name}, seeded": Entry(entry.open, _enqueue_usual)
    for name, entry in {**OPTUNA, **ELSEWHERE, "CQR": OURS["CQR"]}.items()
}
TRANSFER: dict[str, Entry] = {
    "CQR, best of last": _retuned(lambda s: CQRSampler(seed=s.seed), _enqueue_best_of_last),
    "CQR, old trials": _retuned(lambda s: CQRSampler(seed=s.seed), _add_all),
    "CQR, warm start": _retuned(lambda s: CQRSampler(seed=s.seed), _warm_start),
    "CQR, sources": _retuned(lambda s: CQRSampler(seed=s.seed), _teach),
    "CQR, sources and warm start": _retuned(
        lambda s: CQRSampler(seed=s.seed), _teach_and_warm_start
    ),
    "TPE, best of last": _retuned(lambda s: _tpe(s.seed), _enqueue_best_of_last),
    "TPE, warm start": _retuned(lambda s: _tpe(s.seed), _warm_start),
}
SAMPLERS: dict[str, Entry] = {
    **OPTUNA,
    **ELSEWHERE,
    **OURS,
    **KNOWLEDGE,
    **ORDER,
    **READING,
    **GUARD,
    **AGENTS,
    **SEEDED,
    **TRANSFER,
}
GROUPS: dict[str, tuple[str, ...]] = {
    "optuna": tuple(OPTUNA),
    "elsewhere": tuple(ELSEWHERE),
    "ours": tuple(OURS),
    "knowledge": ("CQR", *KNOWLEDGE),
    "order": tuple(ORDER),
    "reading": tuple(READING),
    "seeded": tuple(SEEDED),
    "transfer": ("CQR", "TPE", *TRANSFER),
    "guard": ("Random", "TPE", "CQR", "LLM, no model", *GUARD),
    "agents": ("CQR", "LLM, no model", "LLM, good model", *AGENTS),
    "quick": ("Random", "TPE", "TPE, seeded", "GP", "CQR", "CQR, seeded", "LLM, no model"),
    "all": tuple(SAMPLERS),
}
