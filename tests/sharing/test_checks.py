"""Every argument of every sampler is checked at construction."""

from __future__ import annotations

import json
from pathlib import Path
import re
from typing import Any

import numpy as np
import optuna
from optuna.samplers import TPESampler
import pytest

from optuna_llm import CQRSampler
from optuna_llm import LLAMBOSampler
from optuna_llm import LLMSampler
from optuna_llm.chat.client import Settings
from optuna_llm.chat.prices import check_prices
from optuna_llm.errors import ConfigurationError
from optuna_llm.expectations.knowledge import UsualValues


NAN = float("nan")
OF_ALL: dict[str, list[Any]] = {
    "search_space": [{"x": (0, 1)}, ["x"], {3: None}, "x"],
    "known_good": [{"x": 1}, "x", [3], [{1: 2}], 5],
    "seed": [-1, 2**32, True, 1.0, "a", np.float64(3), NAN],
    "n_startup_trials": [2.5, -1, "10", True, None],
    "n_candidates": [10.5, 0, "5", None],
}
OF_CQR: dict[str, list[Any]] = {
    "surrogate": ["gp", None, 3, ["gbt"]],
    "acquisition": ["ucb", 1],
    "multi_fidelity": ["all", None],
    "prior": ["yes", 1],
    "knowledge": ["yes", 1, None, [1], [UsualValues]],
    "independent_sampler": ["tpe", TPESampler],
}
OF_MODEL_SAMPLERS: dict[str, list[Any]] = {
    "prompt_tokens": [10, 2.5, "many"],
    "model_name": ["other"],
    "base_url": ["localhost"],
    "task": [3, {"text": 5}, {"unknown": "x"}],
    "param_docs": [["x"], {"x": 1}, "x"],
    "base_sampler": ["tpe", TPESampler],
    "on_error": ["ignore", None, 3],
    "max_requests": [-1, 2.5, "3", True, NAN],
    "max_tokens": [-1, 2.5, "3"],
    "max_cost": [-1, NAN, "3"],
    "max_seconds": [-1, NAN, "3"],
    "prices": [3, (1,), ("a", "b"), (NAN, 1), (-1, 1)],
    "temperature": [-1, NAN, "hot", True],
    "max_output_tokens": [0, 2.5, "3"],
    "timeout": [0, -1, NAN, "60", True],
    "deadline": [0, -1, NAN, "60"],
    "max_retries": [-1, 1.5, "2"],
    "extra_body": [3, ["x"]],
    "cassette": [3, "", "a\0b", str(Path(__file__).parent)],
    "anonymize": ["no", 1, None],
    "notes": ["no", 1, None],
}
OF_LLM: dict[str, list[Any]] = {
    "prompt_style": ["long", None],
    "reasoning": ["much", None],
    "prefetch": ["no", 0],
}
OF_LLAMBO: dict[str, list[Any]] = {
    "surrogate": ["gp", None],
    "n_templates": [0, 1.5],
    "n_samples": [0, "2"],
    "alpha": [3.0, NAN, True, "a"],
    "top_quantile": [0, 1, NAN, "a"],
    "one_by_one": ["no", 1],
}
WRONG = [
    (sampler, name, value)
    for sampler, arguments in (
        (CQRSampler, OF_ALL | OF_CQR),
        (LLMSampler, OF_ALL | OF_MODEL_SAMPLERS | OF_LLM),
        (LLAMBOSampler, OF_ALL | OF_MODEL_SAMPLERS | OF_LLAMBO),
    )
    for name, values in arguments.items()
    for value in values
]


@pytest.mark.parametrize(("sampler", "name", "value"), WRONG, ids=lambda v: repr(v)[:40])
def test_a_wrong_argument_is_named_at_construction(sampler: type, name: str, value: Any) -> None:
    arguments = {} if sampler is CQRSampler else {"model": "stand-in", "api_key": "k"}
    with pytest.raises(ConfigurationError, match=rf"^{name}|^Task\.|^task") as error:
        sampler(**arguments, **{name: value})
    # A request's body may hold secrets.
    if not isinstance(value, type | dict | list) and name not in ("extra_body", "model_name"):
        assert re.sub(r"\s+", " ", repr(value))[:40] in str(error.value)


HUGE = 10**400
TOO_LARGE = ["n_startup_trials", "n_candidates", "prompt_tokens", "n_templates", "n_samples"]
TOO_LARGE += ["alpha", "top_quantile", "temperature", "timeout", "deadline", "max_output_tokens"]


@pytest.mark.parametrize("name", TOO_LARGE)
def test_numbers_beyond_every_float_are_named_too(name: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"^{name}=10+"):
        LLAMBOSampler("stand-in", api_key="k", **{name: HUGE})


@pytest.mark.parametrize("sampler", [CQRSampler, LLMSampler, LLAMBOSampler])
def test_numpy_integers_are_whole_numbers(sampler: type) -> None:
    sampler(seed=np.int64(2**31), n_startup_trials=np.int32(3), n_candidates=np.uint8(4))


def test_numpy_numbers_are_numbers_in_requests_and_limits() -> None:
    requests: list[tuple[object, ...]] = []

    class Model:
        name = "watchful"
        prices = (1.0, 1.0)

        def complete(
            self, messages: object, *, schema: object = None, max_output_tokens: object = None
        ) -> None:
            json.dumps(max_output_tokens)
            requests.append((max_output_tokens,))
            raise RuntimeError

    sampler = LLMSampler(
        Model(),
        max_output_tokens=np.int16(300),
        max_requests=np.int64(1),
        max_tokens=np.uint32(10**6),
        max_cost=np.float32(1.5),
        max_seconds=np.float64(60),
        deadline=np.float32(5),
    )
    study = optuna.create_study(sampler=sampler)
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=8)
    assert requests == [(300,)]
    settings = Settings(temperature=np.float32(0.5), timeout=np.int64(3), max_retries=np.int64(1))
    assert json.dumps(settings.options) == '{"temperature": 0.5}'
    assert check_prices((np.float32(0.5), np.int64(2))) == (0.5, 2.0)
