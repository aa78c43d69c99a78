"""Which family of models a search space belongs to: naive Bayes over what is known of it."""

from __future__ import annotations

from collections.abc import Mapping
import functools
import math
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
# A family for data of one kind stands by this much before its parent, where the task says so.
_SPECIAL = 0.5
# What says that labels or that numbers are predicted; logistic regression predicts labels.
_TASKS = {
    "classification": re.compile(
        r"classif(?:y|ier|ication)|logistic[\s_-]+regression|\b(?:accuracy|(?:roc[\s_-]?)?auc"
        r"|f1|log[\s_-]?loss|cross[\s_-]?entropy)\b",
        re.IGNORECASE,
    ),
    "regression": re.compile(
        r"(?<!logistic )(?<!logistic_)(?<!logistic-)regress(?:ion|or)"
        r"|\b(?:r?mse|mae|r2|(?:squared|absolute)[\s_-]error)\b",
        re.IGNORECASE,
    ),
}


def family_scores(
    known: Mapping[str, BaseDistribution | None], context: str | None
) -> tuple[float, ...]:
    """Return the logarithmic odds of each family of ``FAMILIES``, up to a constant.

    Three kinds of evidence add up: the words of the task description; the names of the
    parameters; and their ranges. A family for data of one kind scores like its parent.

    Args:
        known: Names known so far, each with its distribution where that is known too.
        context: Description of the task, or None.
    """
    scores = [family.odds for family in FAMILIES]
    readings = {name: reading for name in known if (reading := read(name)) is not None}
    prefixes = {reading.prefix for reading in readings.values()}
    mentioned = [
        family
        for family in FAMILIES
        if prefixes & family.prefix_keys or (context and _pattern(family).search(context))
    ]
    # "A transformer, fine-tuned with LoRA": the special name says more than the general ones.
    general = {above.name for family in mentioned for above in family.ancestors}
    general |= {name for family in mentioned for name in family.covers}
    for index, family in enumerate(FAMILIES):
        if family in mentioned and family.name not in general:
            scores[index] += _MENTIONED
    for name, reading in readings.items():
        for index in candidates(reading):
            scores[index] += _NAMED + _range_evidence(FAMILIES[index], reading, known[name])
    task = _stated_task(context or "")
    for index, family in enumerate(FAMILIES):
        if family.parent is not None and family.task:
            of_parent = scores[FAMILIES.index(family.parent)] + _SPECIAL
            scores[index] = of_parent if family.task == task else -math.inf
    return tuple(scores)


def _stated_task(context: str) -> str:
    """Return the kind of task that a description speaks of; nothing where it speaks of both."""
    stated = [task for task, pattern in _TASKS.items() if pattern.search(context)]
    return stated[0] if len(stated) == 1 else ""


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
