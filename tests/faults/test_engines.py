"""The samplers inside Ray Tune and on Dask, each on a small local cluster of real processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
from optuna.samplers import BaseSampler
from optuna.trial import TrialState
import pytest

from tests.faults.answers import CANARY
from tests.faults.legal import assert_labelled
from tests.faults.samplers import MODEL_SAMPLERS
from tests.faults.samplers import SAMPLERS
from tests.faults.samplers import SPACE
from tests.faults.samplers import model
from tests.faults.samplers import objective
from tests.faults.samplers import speaking_to
from tests.faults.secrets import assert_hidden
from tests.support.server import ChatServer


N_TRIALS = 12

# One at a time with the other clusters, servers and browsers.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("services")]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ChatServer]:
    monkeypatch.setenv("OPTUNA_LLM_API_KEY", CANARY)
    with ChatServer(model()) as server:
        yield server


def make(name: str, server: ChatServer) -> BaseSampler:
    if name in MODEL_SAMPLERS:
        return speaking_to(name, server.base_url)
    return SAMPLERS[name](search_space=SPACE, seed=0, n_startup_trials=4)


def assert_sound(study: optuna.Study, name: str) -> None:
    trials = study.get_trials(states=[TrialState.COMPLETE])
    assert len(trials) == N_TRIALS
    for trial in trials:
        assert set(trial.params) == set(SPACE)
        if name in MODEL_SAMPLERS:
            assert_labelled(trial)
    if name in MODEL_SAMPLERS:
        assert "llm" in {t.user_attrs["llm:source"] for t in trials}
        assert "fallback" not in {t.user_attrs["llm:source"] for t in trials}


# ---- Ray Tune


@pytest.fixture(scope="module")
def ray_cluster() -> Iterator[Any]:
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
        patch.setenv("RAY_AIR_NEW_OUTPUT", "0")
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            object_store_memory=80 * 2**20,
            configure_logging=False,
        )
        yield ray
        ray.shutdown()


def trainable(config: dict[str, Any]) -> dict[str, float]:
    return {"loss": objective(optuna.trial.FixedTrial(config))}  # type: ignore[arg-type]


@pytest.mark.parametrize("name", SAMPLERS)
def test_ray_tune(name: str, ray_cluster: Any, server: ChatServer, tmp_path: Path) -> None:
    from ray import tune
    from ray.tune.search import ConcurrencyLimiter
    from ray.tune.search.optuna import OptunaSearch

    storage = optuna.storages.InMemoryStorage()
    search = OptunaSearch(
        SPACE,
        sampler=make(name, server),
        storage=storage,
        study_name="tuned",
        metric="loss",
        mode="min",
    )
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=ConcurrencyLimiter(search, max_concurrent=2),
            num_samples=N_TRIALS,
            reuse_actors=True,  # A process for each trial would take seconds to start.
        ),
        run_config=tune.RunConfig(storage_path=str(tmp_path), verbose=0),
    )
    results = tuner.fit()
    assert results.num_errors == 0
    study = optuna.load_study(study_name="tuned", storage=storage)
    assert_sound(study, name)
    assert study.best_value == results.get_best_result("loss", "min").metrics["loss"]
    # Ray pickles the search, sampler included, into its checkpoints.
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert any("searcher" in p.name for p in files)
    assert_hidden(p.read_bytes().decode("latin-1") for p in files)


# ---- Dask


@pytest.mark.parametrize("name", SAMPLERS)
def test_dask(name: str, server: ChatServer) -> None:
    distributed = pytest.importorskip("distributed")
    from optuna_integration import DaskStorage

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        study = optuna.create_study(storage=DaskStorage(), sampler=make(name, server))
        halves = [
            client.submit(study.optimize, objective, n_trials=N_TRIALS // 2, pure=False)
            for _ in range(2)
        ]
        client.gather(halves)
        assert_sound(study, name)
    if name in MODEL_SAMPLERS:
        assert {r.headers["authorization"] for r in server.requests} == {f"Bearer {CANARY}"}
