"""Looking for a key in all that a study leaves behind."""

from __future__ import annotations

from collections.abc import Iterable
import pickle
import traceback

import cloudpickle
import optuna
from optuna.samplers import BaseSampler

from tests.faults.answers import CANARY
from tests.faults.conftest import Logged


def traces_of_sampler(sampler: BaseSampler) -> Iterable[str]:
    yield repr(sampler)
    yield repr(vars(sampler))
    for dumps in (pickle.dumps, cloudpickle.dumps):
        yield repr(dumps(sampler))
        yield repr(dumps(sampler, protocol=0))


def traces_of_study(study: optuna.Study) -> Iterable[str]:
    """Yield all that the storage holds of a study."""
    yield repr(study.get_trials(deepcopy=False))
    yield repr(study._storage.get_study_system_attrs(study._study_id))
    yield repr(study.user_attrs)


def traces_of_error(error: BaseException) -> Iterable[str]:
    """Yield what a traceback with local variables shows, along the whole chain."""
    yield repr(error)
    yield repr(vars(error))
    yield from traceback.format_exception(error)
    for frame, _ in traceback.walk_tb(error.__traceback__):
        if "optuna_llm" in frame.f_code.co_filename:
            yield from map(repr, frame.f_locals.values())
    for link in (error.__cause__, error.__context__):
        if link is not None:
            yield from traces_of_error(link)


def traces_of_log(logged: Logged) -> Iterable[str]:
    for record in logged.records:
        yield f"{record.getMessage()} {record.exc_text} {vars(record)}"


def assert_hidden(texts: Iterable[str]) -> None:
    """Fail if one of the texts holds the key, or enough of it to be one."""
    for text in texts:
        assert CANARY not in text
        assert CANARY[:12] not in text
