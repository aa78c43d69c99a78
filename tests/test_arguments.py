"""Wrong arguments of the public functions: one error that names the argument."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest

from optuna_llm import Cassette
from optuna_llm import CQRSampler
from optuna_llm import DatasetCard
from optuna_llm import LLMSampler
from optuna_llm import Task
from optuna_llm import report
from optuna_llm import visualization
from optuna_llm.errors import ConfigurationError


NAN = float("nan")
FRAME = pd.DataFrame({"a": [1, 2, 3, 4], "y": [0, 1, 0, 1]})
# Of no use anywhere, and hard to compare or to test for truth.
ODD: list[Any] = [
    -1,
    NAN,
    1.5,
    b"x",
    object(),
    np.array([1, 2]),
    np.array(3.5),
    pd.NA,
    pd.Series([1]),
    {1: 2},
    [[]],
    int,
    Ellipsis,
]
PLOTS = [getattr(visualization, name) for name in visualization.__all__ if "plot" in name]
ARGUMENTS: list[tuple[Callable[..., Any], str, list[Any]]] = [
    (report, "study", [None, "study.db", *ODD]),
    (report, "path", ["", *ODD]),
    (report, "baselines", ["x", 0, "", [], {"a": NAN}, {"a": "x"}, {"a": True}, *ODD]),
    (DatasetCard.of, "frame", [None, "x", *ODD]),
    (DatasetCard.of, "target", [None, "x", 3, *ODD]),
    (DatasetCard.of, "kind", ["x", 3, *ODD]),
    (DatasetCard.of, "context", [None, "x", 3, *ODD]),
    (Cassette, "mode", [None, "x", 3, *ODD]),
    (Cassette, "path", [None, 3, *ODD]),
    (Task, "text", [3, *ODD]),
    (Task, "n_trials", ["3", 0, True, *ODD]),
    (LLMSampler().spending, "study", [None, "x", *ODD]),
    *((plot, "study", [None, "x", *ODD]) for plot in PLOTS),
    *(
        (plot, "target_index", ["0", 2, True, np.float64(0), *ODD])
        for plot in (visualization.plot_history, visualization.plot_partial_dependence)
    ),
    (visualization.plot_parameters, "params", ["x", 3, ["y"], *ODD]),
]


@pytest.fixture(scope="module")
def study() -> optuna.Study:
    study = optuna.create_study(sampler=CQRSampler(seed=0))
    study.optimize(lambda t: t.suggest_float("x", 0, 1), n_trials=3)
    return study


@pytest.mark.parametrize(
    ("function", "name", "values"), ARGUMENTS, ids=[f"{f.__name__}-{n}" for f, n, _ in ARGUMENTS]
)
def test_a_wrong_argument_is_named(
    function: Callable[..., Any],
    name: str,
    values: list[Any],
    study: optuna.Study,
    tmp_path: Path,
) -> None:
    right: dict[str, Any] = {"study": study}
    if function is report:
        right["path"] = tmp_path / "page.html"
    elif function == DatasetCard.of:
        right = {"frame": FRAME, "target": "y"}
    elif function is Cassette:
        right = {"path": tmp_path / "cassette.jsonl"}
    elif function is Task:
        right = {}
    for value in values:
        with pytest.raises(ConfigurationError, match=rf"^(Task\.)?{name}\b"):
            function(**right | {name: value})
    assert list(tmp_path.iterdir()) == []
