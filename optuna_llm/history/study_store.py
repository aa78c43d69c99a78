"""The system attributes of a study, as the shared memory of all its workers."""

from __future__ import annotations

from typing import TYPE_CHECKING
from typing import Any
import weakref

from optuna_llm.errors import ConfigurationError


if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage


def check_study(study: object) -> None:
    """Raise ConfigurationError for what is no study, nor a view of one."""
    if not hasattr(study, "_storage"):
        raise ConfigurationError(
            f"study={study!r:.80} is not an Optuna study; pass what optuna.create_study or"
            " optuna.load_study has returned."
        )


class StudyStore:
    """The system attributes of a study, as the shared memory of all its workers.

    It does not keep the storage alive: a study that nobody holds any more needs no memory.
    """

    def __init__(self, study: Study) -> None:
        self._storage = weakref.ref(study._storage)
        self._study_id = study._storage.get_study_id_from_name(study.study_name)

    def read(self) -> dict[str, Any]:
        """Return all system attributes of the study."""
        return dict(self._held().get_study_system_attrs(self._study_id))

    def write(self, key: str, value: dict[str, Any]) -> None:
        """Set one system attribute of the study."""
        self._held().set_study_system_attr(self._study_id, key, value)

    def _held(self) -> BaseStorage:
        storage = self._storage()
        if storage is None:
            raise ReferenceError("the study's storage is gone")
        return storage
