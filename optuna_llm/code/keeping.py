"""What a trial runs of an open parameter, kept in the storage so that it can be run again."""

from __future__ import annotations

import json
from pathlib import Path
import tempfile
from typing import TYPE_CHECKING
from typing import Any

from optuna.distributions import IntDistribution

from optuna_llm.errors import ConfigurationError
from optuna_llm.history.versions import CHOICE_KEY
from optuna_llm.history.versions import Stored
from optuna_llm.history.versions import digest
from optuna_llm.history.versions import versions_of


if TYPE_CHECKING:
    from optuna import Trial
    from optuna.artifacts import ArtifactStore  # type: ignore[attr-defined]


# MySQL keeps 64 KiB in a column, and the gRPC proxy 4 MiB in a message with many trials.
MAX_STORED_BYTES = 60_000
_SHOWN = 200


def keep(trial: Trial, name: str, choice: Any, store: ArtifactStore | None) -> int:
    """Write what a trial runs of an open parameter, and return the number of that version.

    Args:
        trial: The trial, running.
        name: Name of the parameter.
        choice: What is run: a text, a number, a truth value or None.
        store: Where texts are kept that are too long for the storage.

    Raises:
        ConfigurationError: The text is too long, and there is no store.
    """
    storage, trial_id = trial.study._storage, trial._trial_id
    stored = _stored(trial, name, choice, store)
    # Written before the others are read: of two workers with a new choice one sees the other.
    storage.set_trial_user_attr(trial_id, CHOICE_KEY + name, stored.value)
    trials = trial.study._get_trials(deepcopy=False, use_cache=False)
    same = (n for n, other in versions_of(trials, name).items() if other.digest == stored.digest)
    number = next(same, trial.number)
    fixed = storage.get_trial(trial_id).system_attrs.get("fixed_params", {}).get(name, number)
    if fixed == number and not isinstance(fixed, bool | str):
        trial.suggest_int(name, number, number)
    else:  # A text that was enqueued is no value of an integer: Optuna would refuse it.
        storage.set_trial_param(trial_id, name, number, IntDistribution(number, number))
    return number


def restored(stored: Stored, name: str, store: ArtifactStore | None) -> Any:
    """Return a choice as the objective has given it.

    Raises:
        ConfigurationError: Its text is in an artifact, and the store was not given or lacks it.
    """
    if stored.artifact is None:
        return stored.value
    if store is None:
        raise ConfigurationError(
            f"artifact_store=None: the text of {name!r} is in artifact {stored.artifact}; pass the"
            " store that it was kept in."
        )
    try:
        with store.open_reader(stored.artifact) as reader:
            return json.loads(reader.read())
    except Exception as error:
        raise ConfigurationError(
            f"artifact_store={store!r:.80} does not hold artifact {stored.artifact}, the text of"
            f" {name!r} ({error}); pass the store that it was kept in."
        ) from error


def _stored(trial: Trial, name: str, choice: Any, store: ArtifactStore | None) -> Stored:
    """Return a choice as it is stored; a long text goes into an artifact."""
    text = json.dumps(choice)
    if len(text) <= MAX_STORED_BYTES:
        return Stored(choice)
    if store is None:
        raise ConfigurationError(
            f"{name}={str(choice)!r:.40}… has {len(text):,} bytes, more than the"
            f" {MAX_STORED_BYTES:,} that every storage keeps; pass artifact_store=, such as"
            " optuna.artifacts.FileSystemArtifactStore(folder), or shorten it."
        )
    known = versions_of(trial.study._get_trials(deepcopy=False, use_cache=False), name)
    for other in known.values():
        if other.artifact is not None and other.digest == digest(choice):
            return other
    from optuna.artifacts import upload_artifact

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, f"{digest(choice)[:16]}.json")
        file.write_text(text)
        artifact = upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=trial)
    shown = str(choice)[:_SHOWN]
    return Stored({"artifact": artifact, "sha256": digest(choice), "begins": shown})
