"""What a process remembers of each study, without mixing studies up or keeping them alive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from typing import Generic
from typing import TypeVar
from weakref import WeakKeyDictionary


if TYPE_CHECKING:
    from optuna import Study
    from optuna.storages import BaseStorage


_Value = TypeVar("_Value")


class PerStudy(Generic[_Value]):
    """Values by study: by its storage object and its id there, never by its name.

    Two storages may hold studies of one name, and a study may be deleted and made again. Storages
    are held weakly, so the values must not hold theirs. Not safe with threads. A copy, in this
    process or another one, remembers nothing.
    """

    def __init__(self) -> None:
        self._values: WeakKeyDictionary[BaseStorage, dict[int, _Value]] = WeakKeyDictionary()
        # A look-up by name is a query to the database.
        self._ids: WeakKeyDictionary[Study, int] = WeakKeyDictionary()

    def __reduce__(self) -> tuple[type[PerStudy[_Value]], tuple[()]]:
        return type(self), ()

    def get(self, study: Study) -> _Value | None:
        """Return the value of a study, or None."""
        return self._values.get(study._storage, {}).get(self._id(study))

    def set(self, study: Study, value: _Value) -> _Value:
        """Set the value of a study, and return it."""
        self._values.setdefault(study._storage, {})[self._id(study)] = value
        return value

    def pop(self, study: Study) -> _Value | None:
        """Forget the value of a study, and return it, or None."""
        return self._values.get(study._storage, {}).pop(self._id(study), None)

    def _id(self, study: Study) -> int:
        if study not in self._ids:
            self._ids[study] = study._storage.get_study_id_from_name(study.study_name)
        return self._ids[study]

    def __iter__(self) -> Iterator[_Value]:
        return iter([value for values in self._values.values() for value in values.values()])

    def __len__(self) -> int:
        return sum(map(len, self._values.values()))
