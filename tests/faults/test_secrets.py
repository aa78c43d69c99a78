"""Ways for a key to leak that single requests do not show."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cloudpickle
import optuna
import pytest

from optuna_llm.errors import ModelError
from tests.faults.answers import CANARY
from tests.faults.conftest import Logged
from tests.faults.samplers import MODEL_SAMPLERS
from tests.faults.samplers import model
from tests.faults.samplers import objective
from tests.faults.samplers import speaking_to
from tests.faults.secrets import assert_hidden
from tests.faults.secrets import traces_of_error
from tests.faults.secrets import traces_of_log
from tests.faults.secrets import traces_of_sampler
from tests.faults.secrets import traces_of_study
from tests.support.server import ChatServer
from tests.support.server import Fault


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_server_does_not_take_the_key_there(status: int) -> None:
    with ChatServer(model()) as other:
        elsewhere = f"{other.base_url}/chat/completions"
        moved = Fault(status, headers={"Location": elsewhere})
        with ChatServer(lambda _: moved) as server:
            study = optuna.create_study(
                sampler=speaking_to("LLM", server.base_url, api_key=CANARY)
            )
            study.optimize(objective, n_trials=2)
            assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
        assert_hidden(repr(request) for request in other.requests)


def _key() -> str:
    return CANARY


@pytest.mark.parametrize("api_key", [CANARY, lambda: CANARY, _key], ids=["text", "lambda", "name"])
@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_what_a_cluster_sends_to_its_workers_holds_no_key(
    name: str, api_key: str | Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with ChatServer(model()) as server:
        study = optuna.create_study(sampler=speaking_to(name, server.base_url, api_key=api_key))
        study.optimize(objective, n_trials=8)
        assert_hidden(traces_of_sampler(study.sampler))
        monkeypatch.setenv("OPTUNA_LLM_API_KEY", CANARY)
        study.sampler = cloudpickle.loads(cloudpickle.dumps(study.sampler))
        study.optimize(objective, n_trials=8)
        assert {r.headers["authorization"] for r in server.requests} == {f"Bearer {CANARY}"}


@pytest.mark.parametrize("name", MODEL_SAMPLERS)
def test_a_model_of_the_users_own_may_raise_anything(
    name: str, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SERVICE_TOKEN", CANARY)

    class Broken:
        name = "broken"
        calls = 0

        def complete(self, messages: Any, **options: Any) -> Any:
            self.calls += 1
            raise [OSError, KeyError, ZeroDivisionError][self.calls % 3](f"{CANARY} is refused")

    sampler = MODEL_SAMPLERS[name](Broken(), base_sampler=optuna.samplers.RandomSampler(seed=0))
    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=20)
    sources = [t.user_attrs["llm:source"] for t in study.trials]
    assert sources.count("fallback") >= 3
    assert_hidden([*traces_of_study(study), *traces_of_log(logged)])

    study.sampler = MODEL_SAMPLERS[name](Broken(), on_error="raise")
    with pytest.raises(ModelError, match="broken raised KeyError") as caught:
        study.optimize(objective, n_trials=20)
    assert_hidden(traces_of_error(caught.value))
