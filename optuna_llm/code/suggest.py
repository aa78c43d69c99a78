"""suggest_code and load_code: the version of a function that a trial runs."""

from __future__ import annotations

from collections.abc import Mapping
import contextlib
from dataclasses import replace
import difflib
import functools
from typing import TYPE_CHECKING
from typing import Any

from optuna import Trial

from optuna_llm.code.choosing import chosen_version
from optuna_llm.code.keeping import keep
from optuna_llm.code.parameter import CodeParameter
from optuna_llm.code.parameter import Limits
from optuna_llm.code.parameter import shown_arguments
from optuna_llm.code.source import Source
from optuna_llm.code.source import parsed
from optuna_llm.code.writing import TwinError
from optuna_llm.code.writing import Writer
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import SandboxError
from optuna_llm.history.births import Birth
from optuna_llm.history.births import births_of
from optuna_llm.history.versions import stored_choice
from optuna_llm.history.versions import versions_of
from optuna_llm.prompts.new_version import Contract
from optuna_llm.space.versions import NEW


if TYPE_CHECKING:
    from optuna.trial import BaseTrial
    from optuna.trial import FrozenTrial


_WELL_KNOWN = frozenset(
    ("cmath", "collections", "functools", "itertools", "math", "numpy", "random", "statistics")
)


class Version:
    """A version of a function, with the numbers that a trial gives it: call it as the function.

    Attributes:
        number: Of the version: that of the trial in which it was first run.
        source: What is run, with its numbers.
        params: The numbers by the names of their parameters.
    """

    def __init__(
        self,
        source: Source,
        number: int,
        params: Mapping[str, float],
        limits: Limits,
        trial: Trial | None = None,
    ) -> None:
        self.number = number
        self.params = dict(params)
        self.source = _with_params(source, number, params)
        self.__name__ = source.function
        self._trial = trial
        self._sandbox = limits.sandbox(self.source, source.function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it in its sandbox.

        Raises:
            SandboxError: It raised, took too long, died, or returned what cannot pass. The running
                trial keeps the reason in its user attribute ``fail_reason``.
        """
        try:
            return self._sandbox(*args, **kwargs)
        except SandboxError as error:
            if self._trial is not None:
                told = f"{self.__name__}, version {self.number}: {error}"
                self._trial.set_user_attr("fail_reason", told)
            raise

    def close(self) -> None:
        """End its process; it ends by itself when nobody holds the version any more."""
        self._sandbox.close()


def suggest_code(trial: BaseTrial, parameter: CodeParameter) -> Version:
    """Suggest a version of a function, and the numbers in it.

    The first trial runs the function as it was written, version 0. Further versions are queued:
    ``study.enqueue_trial({"update": source})``. Which one a trial runs is chosen as by
    :func:`optuna_llm.suggest_open_categorical`, and the literals of a version that have a decimal
    point are parameters of their own, ``update.0.decay``; the trial in which a version is born
    runs them as they are written.

    Versions that differ only in names, comments and such numbers are one, and so are versions that
    return the same on all examples. The source stands in the trial's user attribute
    ``llm:choice:<name>``, how far it is locked in in ``llm:sandbox:<name>``.

    Args:
        trial: The trial of the objective; a finished one gives its version back.
        parameter: The function, decorated with :func:`optuna_llm.code_parameter`.

    Returns:
        The version, to be called as the function.

    Raises:
        ConfigurationError: A version that was queued does not parse, has other arguments or breaks
            the contract; or this machine cannot lock it in.
    """
    if not isinstance(parameter, CodeParameter):
        raise ConfigurationError(
            f"parameter={parameter!r:.80} must be a function decorated with"
            " @optuna_llm.code_parameter."
        )
    if not isinstance(trial, Trial):
        return _loaded(trial, parameter.name, parameter.limits)  # type: ignore[arg-type]
    return _Suggestion(trial, parameter).version()


def load_code(trial: FrozenTrial, name: str, **limits: Any) -> Version:
    """Return the version of a function that a finished trial has run, from the trial alone.

    Args:
        trial: The trial, such as ``study.best_trial``.
        name: Name of the function.
        **limits: ``imports``, ``seconds``, ``memory`` and ``trust``, as those of
            :func:`optuna_llm.code_parameter`. Without ``imports`` a version may use those of its
            trial that are well-known: NumPy, and what computes in the standard library.

    Raises:
        ConfigurationError: The trial has run no such function, or an argument is wrong.
    """
    unknown = limits.keys() - {"imports", "seconds", "memory", "trust"}
    if unknown:
        raise ConfigurationError(
            f"load_code has no argument {min(unknown)!r}; it has imports, seconds, memory, trust."
        )
    born = Birth.read(trial, name)
    told = born.imports if born else ()
    # A module is imported before the sandbox is closed: a storage does not say which.
    known = tuple(module for module in told if module.split(" as ")[0] in _WELL_KNOWN)
    imports = limits.pop("imports", known)
    return _loaded(trial, name, Limits(imports, **limits))


def source_of(trial: FrozenTrial, name: str) -> str:
    """Return the source of the version that a finished trial has run, with its numbers.

    Raises:
        ConfigurationError: The trial has run no such function.
    """
    source, number = _run_by(trial, name)
    return _with_params(source, number, trial.params)


def _run_by(trial: FrozenTrial, name: str) -> tuple[Source, int]:
    stored, number = stored_choice(trial, name), trial.params.get(name)
    if stored is None or not isinstance(number, int):
        raise ConfigurationError(f"trial {trial.number} has run no version of {name!r}.")
    return parsed(stored.value, name), number


def _loaded(trial: FrozenTrial, name: str, limits: Limits) -> Version:
    source, number = _run_by(trial, name)
    prefix = _prefix(name, number)
    params = {n: v for n, v in trial.params.items() if n.startswith(prefix)}
    return Version(source, number, params, limits)


def _with_params(
    source: Source, number: int, params: Mapping[str, float], *, keeps_ranges: bool = False
) -> str:
    """Return the source of a version with the numbers that some parameters give it."""
    prefix = _prefix(source.function, number)
    values = {n[len(prefix) :]: value for n, value in params.items() if n.startswith(prefix)}
    return source.with_numbers(values, keeps_ranges=keeps_ranges)


def _prefix(name: str, number: int) -> str:
    return f"{name}.{number}."


class _Suggestion:
    """What one trial runs: queued, chosen among known versions, or version 0."""

    def __init__(self, trial: Trial, parameter: CodeParameter) -> None:
        self._trial = trial
        self._parameter = parameter
        self._name = parameter.name
        study = trial.study
        self._frozen = study._storage.get_trial(trial._trial_id)
        trials = study._get_trials(deepcopy=False, use_cache=False)
        self._known = versions_of(trials, self._name)
        self._births = births_of(trials, self._name)
        self._behaviours: dict[str, str | None] = {}
        self._birth = Birth()

    def version(self) -> Version:
        """Decide, write down, and return the version."""
        fixed = self._frozen.system_attrs.get("fixed_params", {})
        stored = stored_choice(self._frozen, self._name)
        as_written: Source | None = None
        if stored is not None:
            source = self._parameter.source(stored.value)
        elif isinstance(fixed.get(self._name), str):
            as_written = self._parameter.source(fixed[self._name])
            twin = self._twin(as_written)
            source = as_written if twin is None else self._offered[twin]
        elif self._name in fixed:
            source = self._numbered(fixed[self._name])
        else:
            source = self._chosen()
        number = self._kept(source)
        params = self._numbers(source, number, as_written)
        version = Version(source, number, params, self._parameter.limits, self._trial)
        self._trial.set_user_attr(f"llm:sandbox:{self._name}", self._parameter.limits.reached())
        return version

    def _numbered(self, number: object) -> Source:
        if isinstance(number, int) and number in self._known:
            return self._parameter.source(self._known[number].value)
        listed = ", ".join(map(str, self._known)) or "none so far"
        raise ConfigurationError(
            f"enqueue_trial: {self._name}={number!r:.40} is the number of no version; there are"
            f" {listed}. Queue a source if it has not been run."
        )

    def _chosen(self) -> Source:
        """Return what the sampler takes among the versions that keep today's contract."""
        offered = self._offered
        own = self._parameter.source(self._parameter.text)
        is_new = all(own.canonical != source.canonical for source in offered.values())
        if not is_new:
            written = self._written()
            if written is not None:
                return written
        number = chosen_version(self._trial, self._name, list(offered), int(is_new))
        return own if number == NEW else offered[number]

    @functools.cached_property
    def _offered(self) -> dict[int, Source]:
        """The versions that keep today's contract: it may have changed since they were born."""
        offered = {}
        for number, stored in self._known.items():
            with contextlib.suppress(ConfigurationError):
                offered[number] = self._parameter.source(stored.value)
        return offered

    def _written(self) -> Source | None:
        """Return a new version of the model's, on its turn."""
        parameter = self._parameter
        examples = [f"{self._name}{shown_arguments(a)}" for a in parameter.examples]
        contract = Contract(parameter.text, parameter.limits.modules, examples)

        def check(text: str) -> Source:
            source = parameter.source(text)
            twin = self._twin(source)
            if twin is not None:
                is_text = self._offered[twin].canonical == source.canonical
                raise TwinError(twin, by_results=not is_text)
            return source

        def tuned(text: str, number: int, params: Mapping[str, float]) -> str:
            return _with_params(Source(text, self._name), number, params, keeps_ranges=True)

        known = {n: s for n, s in self._known.items() if n in self._offered}
        written = Writer(self._trial, contract, self._name, known, check, tuned).written()
        if written is None:
            return None
        self._birth = written.birth
        return written.source

    def _twin(self, source: Source) -> int | None:
        """Return the known version that another one equals, up to numbers or by its behaviour."""
        behaviour = self._behaviour(source)
        for number, known in self._offered.items():
            born = self._births.get(number)
            alike = born is not None and behaviour is not None and born.behaviour == behaviour
            if known.canonical == source.canonical or alike:
                return number
        return None

    def _behaviour(self, source: Source) -> str | None:
        """Return what a source gives on the examples, run once."""
        if source.text not in self._behaviours:
            self._behaviours[source.text] = self._parameter.behaviour(source)
        return self._behaviours[source.text]

    def _kept(self, source: Source) -> int:
        """Write down what is run, and all that is known of a version that is born."""
        if self._name in self._frozen.params:
            return int(self._frozen.params[self._name])
        behaviour = None
        is_known = any(stored.value == source.text for stored in self._known.values())
        if not is_known:
            behaviour = self._behaviour(source)
        number = keep(self._trial, self._name, source.text, None)
        born = replace(
            self._birth, imports=tuple(self._parameter.limits.imports), behaviour=behaviour
        )
        if not is_known and not born.by:
            born = replace(born, parent=self._parent(source), by="user")
        born.write(self._trial, self._name)
        return number

    def _parent(self, source: Source) -> int | None:
        """Return the known version that a new one resembles most."""
        return max(
            self._known,
            key=lambda n: difflib.SequenceMatcher(
                None, self._known[n].text, source.text, autojunk=False
            ).ratio(),
            default=None,
        )

    def _numbers(self, source: Source, number: int, as_written: Source | None) -> dict[str, float]:
        """Suggest the numbers of a version; a new one, or a twin, is run as it was written."""
        written = {}
        if as_written is not None and as_written.canonical == source.canonical:
            pairs = zip(source.numbers, as_written.numbers, strict=True)
            written = {known.name: twin.value for known, twin in pairs}
        elif number == self._trial.number:
            written = {known.name: known.value for known in source.numbers}
        fixed = self._frozen.system_attrs.get("fixed_params", {})
        params = {}
        for declared in source.numbers:
            name, ranged = _prefix(self._name, number) + declared.name, declared.distribution
            if name in self._frozen.params:
                params[name] = self._frozen.params[name]
            elif declared.name in written and name not in fixed and not ranged.single():
                value = min(max(written[declared.name], ranged.low), ranged.high)
                storage, trial_id = self._trial.study._storage, self._trial._trial_id
                storage.set_trial_param(trial_id, name, value, ranged)
                params[name] = value
            else:
                low, high, log = ranged.low, ranged.high, ranged.log
                params[name] = self._trial.suggest_float(name, low, high, log=log)
        return params
