"""Which family of models a search space belongs to: naive Bayes over what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
import functools
import re

from optuna.distributions import BaseDistribution

from optuna_llm.prior.fitting import MISMATCH
from optuna_llm.prior.fitting import fit
from optuna_llm.prior.knowledge import FAMILIES
from optuna_llm.prior.names import Reading
from optuna_llm.prior.names import read
from optuna_llm.prior.table import Family


# Evidence for a family, in nats: a word of it stands in the task or before a name...
_MENTIONED = 5.0
# ... or a parameter has a name of its table.
_NAMED = 2.0


def family_scores(
    known: Mapping[str, BaseDistribution | None], context: str | None
) -> tuple[float, ...]:
    """Return the logarithmic odds of each family of ``FAMILIES``, up to a constant.

    Three kinds of evidence add up: the words of the task description; the names of the
    parameters; and their ranges.

    Args:
        known: Names known so far, each with its distribution where that is known too.
        context: Description of the task, or None.
    """
    scores = [family.odds for family in FAMILIES]
    readings = {name: reading for name in known if (reading := read(name)) is not None}
    prefixes = {reading.prefix for reading in readings.values()}
    for index, family in enumerate(FAMILIES):
        if prefixes & family.prefix_keys or (context and _pattern(family).search(context)):
            scores[index] += _MENTIONED
    for name, reading in readings.items():
        for index in candidates(reading):
            scores[index] += _NAMED + _range_evidence(FAMILIES[index], reading, known[name])
    return tuple(scores)


@functools.lru_cache(maxsize=4096)
def candidates(reading: Reading) -> tuple[int, ...]:
    """Return the indices of the families that may be meant by a name.

    A family's word in front of a name decides, unless that family has no such parameter.
    """
    users = [index for index, family in enumerate(FAMILIES) if reading.key in family.by_key]
    named = [index for index in users if reading.prefix in FAMILIES[index].prefix_keys]
    return tuple(named or users)


@functools.cache
def _pattern(family: Family) -> re.Pattern[str]:
    words = [r"[\s_-]*".join(map(re.escape, word.split())) for word in family.words]
    ending = r"(?:[\s_-]*(?:s|classifiers?|regressors?|cv))?"
    return re.compile(rf"(?<![a-z0-9])(?:{'|'.join(words)}){ending}(?![a-z0-9])", re.IGNORECASE)


def _range_evidence(
    family: Family, reading: Reading, distribution: BaseDistribution | None
) -> float:
    if distribution is None:
        return 0.0
    fits = [fit(row, distribution, reading.transform) for row in family.by_key[reading.key]]
    return max((found.evidence for found in fits if found is not None), default=MISMATCH)
