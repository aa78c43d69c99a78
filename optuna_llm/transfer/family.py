"""Studies of one family: what ``sources="auto"`` finds in the storage of a study."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from optuna_llm.history.stored import load_study
from optuna_llm.transfer.sources import Source
from optuna_llm.transfer.sources import newest_first
from optuna_llm.transfer.sources import of_study


if TYPE_CHECKING:
    from optuna import Study


FAMILY_KEY = "llm:family"
"""The user attribute in which a study names its family."""

# The newest ones are asked; what is older has been overtaken.
_MAX_SOURCES = 10
# A date, a version or a counter at the end of a name, with what parts it from the rest.
_ENDING = re.compile(r"[\W_]*(v|run|trial|stage|part)?[\W_]*\d[\d\W_]*$", re.I)
_MIN_STEM = 3
# Optuna's own names of studies that nobody has named.
_NAMELESS = "no-name-"


def find_family(study: Study) -> list[Source]:
    """Return the other studies of a study's family in its storage, newest first.

    Where the study has the user attribute ``llm:family``, these are the studies with the same
    value; else those whose names differ only in a number, a date or a version at the end.
    """
    own = study.user_attrs.get(FAMILY_KEY)
    found = []
    for other in study._storage.get_all_studies():
        if other.study_name == study.study_name or len(other.directions) != len(study.directions):
            continue
        theirs = other.user_attrs.get(FAMILY_KEY)
        if own is not None or theirs is not None:
            is_kin = own == theirs
        else:
            is_kin = _stem(study.study_name) == _stem(other.study_name) != ""
        if is_kin:
            found.append(other.study_name)
    # Storages list studies as they were created.
    kin = [of_study(load_study(study._storage, name), name) for name in found[-_MAX_SOURCES:]]
    return newest_first(kin[::-1])


def _stem(name: str) -> str:
    """Return a name without its number, date or version; empty where little is left."""
    stem = _ENDING.sub("", name)
    return "" if len(stem) < _MIN_STEM or name.startswith(_NAMELESS) else stem.casefold()
