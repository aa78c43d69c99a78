"""Optuna's sampler interface to a peer that runs in an environment of its own."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import contextmanager
import json
import os
from pathlib import Path
import subprocess
import tempfile
from typing import IO
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.distributions import IntDistribution
from optuna.samplers import BaseSampler
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from benchmarks.task import UnavailableError
from optuna_llm.prior import EmbeddedPrior
from optuna_llm.space.choices import choice_index


if TYPE_CHECKING:
    from optuna.study import Study as OptunaStudy
    from optuna.trial import FrozenTrial

    from benchmarks.samplers import Study


ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venv-peers"


class PeerError(RuntimeError):
    """A peer has raised an error, or ended."""


@contextmanager
def opened(study: Study, module: str, environment: str, **options: Any) -> Iterator[BaseSampler]:
    """Open a peer for one study; its process starts with the first proposal.

    Args:
        study: The study that it is for.
        module: The name of its file here.
        environment: The name of its environment.
        options: What its ``build`` takes beside.

    Raises:
        benchmarks.task.UnavailableError: Its environment has not been built.
    """
    python = ENVIRONMENTS / environment / "bin" / "python"
    if not (ENVIRONMENTS / environment / ".installed").exists():
        raise UnavailableError(f"no environment {environment}: make peers")
    with running(study, str(python), f"benchmarks.peers.{module}", **options) as sampler:
        yield sampler


@contextmanager
def running(study: Study, python: str, module: str, **options: Any) -> Iterator[BaseSampler]:
    """Open a peer by the interpreter of its environment and the name of its module."""
    with tempfile.TemporaryFile("w+", prefix="peer-") as log:
        sampler = PeerSampler(study, python, module, options, log)
        try:
            yield sampler
        finally:
            sampler.close()


class PeerSampler(BaseSampler):
    """A peer that knows the whole space beforehand.

    These peers have no conditional parameters: they propose a value for every parameter, and
    what is inactive is left out. A trial that was enqueued is told like any other.

    Args:
        study: The study that it is for.
        python: The interpreter of its environment.
        module: Its module.
        options: What its ``build`` takes beside.
        log: Where its process writes what it says.
    """

    def __init__(
        self, study: Study, python: str, module: str, options: Mapping[str, Any], log: IO[str]
    ) -> None:
        self._space = study.task.space
        self._default = EmbeddedPrior().default(study.task.space)
        self._independent = RandomSampler(seed=study.seed)
        self._proposed: dict[int, dict[str, Any]] = {}
        self._name = module.rpartition(".")[2]
        self._command = [python, "-m", "benchmarks.peers.worker", module]
        self._log = log
        self._begin = {
            "space": _described(study.task.space),
            "seed": study.seed,
            "n_trials": study.n_trials,
            "options": dict(options),
        }
        self._process: subprocess.Popen[str] | None = None

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _call(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._process = self._start()
            self._exchange(self._process, self._begin)
        return self._exchange(self._process, request)

    def _start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self._command,
            cwd=ROOT,
            # A path of ours would hide the packages of its environment.
            env={k: v for k, v in os.environ.items() if not k.startswith("PYTHON")},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def _exchange(
        self, process: subprocess.Popen[str], request: Mapping[str, Any]
    ) -> dict[str, Any]:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps(request), file=process.stdin, flush=True)
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._log.seek(0)
            last = self._log.read().strip().splitlines()[-1:] or ["without a word"]
            raise PeerError(f"{self._name} has ended: {last[0]}")
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise PeerError(f"{self._name}: {answer['error']}")
        return answer

    def infer_relative_search_space(
        self, study: OptunaStudy, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return the whole space."""
        return self._space

    def sample_relative(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        search_space: dict[str, BaseDistribution],
    ) -> dict[str, Any]:
        """Return the peer's proposal; an enqueued trial needs none."""
        if "fixed_params" in trial.system_attrs:
            return {}
        proposed = self._call({"ask": trial.number})["params"]
        params = {n: _native(d, proposed[n]) for n, d in self._space.items()}
        self._proposed[trial.number] = params
        return params

    def sample_independent(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draw at random what an enqueued trial leaves open."""
        return self._independent.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: OptunaStudy,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Tell the peer the result."""
        params = {**self._default, **self._proposed.pop(trial.number, {}), **trial.params}
        is_complete = state == TrialState.COMPLETE and values is not None
        loss = values[0] if is_complete and values is not None else None
        told = {n: _told(d, params[n]) for n, d in self._space.items()}
        self._call({"tell": trial.number, "params": told, "loss": loss})


def _described(space: Mapping[str, BaseDistribution]) -> list[dict[str, Any]]:
    """Return the parameters as :class:`benchmarks.peers.worker.Parameter` takes them."""
    prior = EmbeddedPrior()
    usual = prior.default(space)
    described = []
    for name, distribution in space.items():
        one: dict[str, Any] = {"name": name, "usual": _told(distribution, usual[name])}
        known = prior.lookup(name, distribution, others=space)
        if known is not None:
            one |= {"weights": known.weights} if known.weights else {"spread": known.spread}
        if isinstance(distribution, CategoricalDistribution):
            one |= {
                "kind": "categorical",
                "choices": [str(i) for i in range(len(distribution.choices))],
            }
        else:
            assert isinstance(distribution, FloatDistribution | IntDistribution)
            kind = "int" if isinstance(distribution, IntDistribution) else "float"
            ends = {"low": distribution.low, "high": distribution.high}
            one |= {"kind": kind, "log": distribution.log, **ends}
        described.append(one)
    return described


def _told(distribution: BaseDistribution, value: Any) -> Any:
    """Return a native value as a peer gets it: a choice by its number, as a text."""
    if isinstance(distribution, CategoricalDistribution):
        return str(choice_index(distribution, value))
    return value


def _native(distribution: BaseDistribution, value: Any) -> Any:
    """Return a peer's value as Optuna wants it: of its own type, and inside the range."""
    if isinstance(distribution, CategoricalDistribution):
        return distribution.choices[int(value)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    number = int(value) if isinstance(distribution, IntDistribution) else float(value)
    return min(max(number, distribution.low), distribution.high)
