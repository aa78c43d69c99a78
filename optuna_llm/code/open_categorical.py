"""suggest_open_categorical: a categorical parameter whose choices may change between trials."""

from __future__ import annotations

from collections.abc import Sequence
import math
from typing import TYPE_CHECKING
from typing import TypeVar
from typing import cast

from optuna import Trial
from optuna.trial import FixedTrial

from optuna_llm.code.choosing import chosen_version
from optuna_llm.code.keeping import keep
from optuna_llm.code.keeping import restored
from optuna_llm.errors import ConfigurationError
from optuna_llm.history.versions import Stored
from optuna_llm.history.versions import digest
from optuna_llm.history.versions import stored_choice
from optuna_llm.history.versions import versions_of
from optuna_llm.space.versions import NEW


if TYPE_CHECKING:
    from optuna.artifacts import ArtifactStore  # type: ignore[attr-defined]
    from optuna.trial import BaseTrial
    from optuna.trial import FrozenTrial

Choice = TypeVar("Choice", bound="str | int | float | bool | None")


def suggest_open_categorical(
    trial: BaseTrial,
    name: str,
    choices: Sequence[Choice],
    *,
    artifact_store: ArtifactStore | None = None,
) -> Choice:
    """Suggest one of some choices, which may be others in the next trial.

    A model that is added next week, a prompt that was rewritten: Optuna's ``suggest_categorical``
    refuses them within one study. Here a choice gets a number when it is first run, that of its
    trial, and the parameter is that number; what the choice is stands in the trial's user
    attribute ``llm:choice:<name>``. Any sampler and storage will do. With the samplers of this
    package the choice is proposed together with the other parameters; with others
    :class:`~optuna_llm.CQRSampler` advises on it alone. Call it before the other ``suggest_...``
    where you can: the sampler then knows of new choices at once.

    To queue one, name its number or the choice itself:
    ``study.enqueue_trial({"prompt": 12})``, ``study.enqueue_trial({"prompt": "Think first."})``;
    a choice that is queued need not be among today's. A number always is that of a version.

    Args:
        trial: The trial of the objective. A finished one, as in ``objective(study.best_trial)``,
            gives back what it has run, and so does a ``FixedTrial`` with the choice.
        name: Name of the parameter.
        choices: What may be chosen now, at least one, no two alike: texts, numbers, truth values
            or None.
        artifact_store: Where texts above 60,000 bytes are kept; they are refused without it.

    Returns:
        One of the choices.

    Raises:
        ConfigurationError: An argument is wrong, a text is too long, or what was queued is
            unknown.
    """
    checked: dict[str, Choice] = _checked(name, choices)
    if not isinstance(trial, Trial):
        return _replayed(trial, name, checked, artifact_store)
    study = trial.study
    frozen = study._storage.get_trial(trial._trial_id)
    stored = stored_choice(frozen, name)
    # Asked before in this trial, or queued again after its worker died.
    if stored is not None:
        chosen = _found(stored, name, checked, artifact_store)
    else:
        known = versions_of(study._get_trials(deepcopy=False, use_cache=False), name)
        fixed = frozen.system_attrs.get("fixed_params", {})
        if name in fixed:
            chosen = _queued(fixed[name], name, checked, known, artifact_store)
        else:
            chosen = _sampled(trial, name, checked, known)
    if name not in frozen.params:
        keep(trial, name, chosen, artifact_store)
    return chosen


def _sampled(
    trial: Trial, name: str, choices: dict[str, Choice], known: dict[int, Stored]
) -> Choice:
    """Return the choice that a sampler proposes; of new ones the first."""
    offered = {n: choices[s.digest] for n, s in known.items() if s.digest in choices}
    run = {s.digest for s in known.values()}
    new = [choice for key, choice in choices.items() if key not in run]
    number = chosen_version(trial, name, list(offered), len(new))
    return new[0] if number == NEW else offered[number]


def _queued(
    value: object,
    name: str,
    choices: dict[str, Choice],
    known: dict[int, Stored],
    store: ArtifactStore | None,
) -> Choice:
    """Return what a trial was queued with: a version by its number, or the choice itself."""
    if isinstance(value, int) and not isinstance(value, bool):
        if value in known:
            return _found(known[value], name, choices, store)
        raise ConfigurationError(
            f"enqueue_trial: {name}={value} is the number of no version; there are"
            f" {_listed(known)}. Queue the choice itself if it has not been run."
        )
    return choices.get(digest(value), cast("Choice", value))


def _found(
    stored: Stored, name: str, choices: dict[str, Choice], store: ArtifactStore | None
) -> Choice:
    """Return a stored choice: today's object where it is among them."""
    if stored.digest in choices:
        return choices[stored.digest]
    chosen: Choice = restored(stored, name, store)
    return chosen


def _replayed(
    trial: BaseTrial, name: str, choices: dict[str, Choice], store: ArtifactStore | None
) -> Choice:
    """Return what a finished or a fixed trial runs."""
    frozen: FrozenTrial = trial  # type: ignore[assignment]
    stored = stored_choice(frozen, name)
    if stored is not None:
        return _found(stored, name, choices, store)
    if isinstance(trial, FixedTrial):
        named = trial.suggest_categorical(name, list(choices.values()))
        if digest(named) in choices:
            return choices[digest(named)]
    raise ConfigurationError(
        f"trial {trial.number} does not say what it runs of {name!r}; a FixedTrial must name one"
        " of the choices."
    )


def _checked(name: object, choices: object) -> dict[str, Choice]:
    """Return the choices by their digests."""
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"name={name!r:.80} must be the parameter's name, a text.")
    if isinstance(choices, str) or not isinstance(choices, Sequence) or not choices:
        raise ConfigurationError(
            f"choices={choices!r:.80} of {name!r} must be a list of one or more choices."
        )
    found: dict[str, Choice] = {}
    for index, choice in enumerate(choices):
        is_finite = not isinstance(choice, float) or math.isfinite(choice)
        if type(choice) not in (str, int, float, bool, type(None)) or not is_finite:
            raise ConfigurationError(
                f"choices[{index}]={choice!r:.80} of {name!r} must be a text, a finite number, a"
                " truth value or None; give objects a name, and look them up by it."
            )
        if digest(choice) in found:
            raise ConfigurationError(
                f"choices[{index}]={choice!r:.80} of {name!r} is there twice; leave one out."
            )
        found[digest(choice)] = choice
    return found


def _listed(known: dict[int, Stored]) -> str:
    return ", ".join(map(str, known)) or "none so far"
