"""Foreign text in figures is shown and not run; Plotly is imported only where it is used."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Iterator
import json
import subprocess
import sys
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
import plotly.graph_objects as go
import plotly.io
import pytest

from optuna_llm.errors import MissingExtraError
from tests.reporting.drawn import PLOTS
from tests.support.studies import make_plain_study
from tests.support.studies import make_trial


ATTACK = "<img src=x onerror=alert(1)>"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)


@pytest.mark.parametrize("plot", PLOTS)
def test_foreign_text_is_shown_and_not_run(plot: Callable[[optuna.Study], go.Figure]) -> None:
    study = optuna.create_study(study_name=ATTACK)
    study.set_metric_names([ATTACK])
    space: dict[str, BaseDistribution] = {
        ATTACK: FloatDistribution(0, 1),
        "c": CategoricalDistribution((ATTACK, "b")),
    }
    record = {"model": ATTACK, "requests": 1, "error": ATTACK, "cost": 0.1}
    options: dict[str, Any] = {
        "source": "llm",
        "rationale": ATTACK,
        "record": record,
        "distributions": space,
        "user_attrs": {"fail_reason": ATTACK},
    }
    for number in range(13):
        outcome = {"state": TrialState.FAIL} if number == 0 else {"value": 1.0 + number}
        study.add_trial(make_trial(number, {ATTACK: 0.1, "c": ATTACK}, **options, **outcome))
    strings = list(_strings(json.loads(plotly.io.to_json(plot(study)))))
    assert not any("<img" in s for s in strings)
    assert any("&lt;img" in s for s in strings)


# ---- plotly


@pytest.mark.parametrize("plot", PLOTS)
def test_without_plotly_the_extra_is_named(
    plot: Callable[[optuna.Study], go.Figure], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "plotly.graph_objects", None)
    with pytest.raises(MissingExtraError, match=r'pip install "plotly.*"plot"'):
        plot(make_plain_study(1))


def test_importing_the_module_does_not_import_plotly() -> None:
    code = "import optuna_llm.visualization, sys; sys.exit('plotly' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
