"""Sources on real databases; beside them everything else about sources is the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from optuna_llm import CQRSampler
from optuna_llm import continue_study
from optuna_llm import warm_start
from optuna_llm.errors import ConfigurationError
from tests.faults.services import PostgreSQL
from tests.support.transfer import SPACE
from tests.support.transfer import earlier_study
from tests.support.transfer import loss


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    service = PostgreSQL(tmp_path_factory.mktemp("postgresql"))
    service.start()
    yield service.url
    service.stop()


def objective(trial: optuna.Trial) -> float:
    return loss({n: trial._suggest(n, d) for n, d in SPACE.items()})


def test_studies_of_a_server_teach_those_of_a_file_and_the_other_way_round(
    url: str, tmp_path: Path
) -> None:
    file = f"sqlite:///{tmp_path / 'studies.db'}"
    for there, here in ((url, file), (file, url)):
        earlier_study("old", 8, storage=there)
        sampler = CQRSampler(sources=("old", there), seed=0)
        study = optuna.create_study(study_name="new", storage=here, sampler=sampler)
        transfer = warm_start(study, ("old", there), search_space=SPACE)
        study.optimize(objective, n_trials=9)
        assert [m.source.name for m in transfer.matches] == ["old"]
        assert study.best_value <= loss(transfer.starts[0].params)


def test_a_family_on_a_server_is_found_and_goes_on(url: str) -> None:
    old = earlier_study("fraud 1", 8, storage=url)
    study = optuna.create_study(study_name="fraud 2", storage=url)
    assert len(warm_start(study, "auto", search_space=SPACE).matches) == 1
    new = continue_study(old, name="fraud 3")
    assert [t.value for t in new.trials] == [t.value for t in old.trials]
    optuna.delete_study(study_name="fraud 1", storage=url)
    with pytest.raises(ConfigurationError, match="no longer in its storage"):
        warm_start(study, old, search_space=SPACE)
    with pytest.raises(ConfigurationError, match="study='fraud 1' is not in"):
        warm_start(study, ("fraud 1", url), search_space=SPACE)
