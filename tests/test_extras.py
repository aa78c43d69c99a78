"""What is missing is named with a command that installs it, wherever this package is from."""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Any
from typing import Literal

import pytest

from optuna_llm import CQRSampler
from optuna_llm.errors import MissingExtraError
from optuna_llm.extras import check_extra
from optuna_llm.extras import import_extra
from optuna_llm.extras import install_command


METADATA = [
    "optuna>=5",
    'tomli>=1.1; python_version < "3.11"',
    'plotly>=5.18; extra == "plot"',
    'scikit-learn>=1.4; extra == "xgboost"',
    'xgboost>=2.0; extra == "xgboost"',
    'old>=1; python_version < "3" and extra == "xgboost"',
    'optuna-llm[plot,xgboost]; extra == "demo"',
]


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: METADATA)


@pytest.mark.usefixtures("installed")
def test_the_command_names_what_the_extra_brings() -> None:
    assert install_command("plot") == 'pip install "plotly>=5.18"'
    expected = 'pip install "plotly>=5.18" "scikit-learn>=1.4" "xgboost>=2.0"'
    assert install_command("demo") == expected


def test_a_source_that_nobody_installed_names_the_clone(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str) -> Any:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "requires", unknown)
    assert install_command("plot") == 'pip install ".[plot]", in a clone of optuna-llm'


@pytest.mark.usefixtures("installed")
def test_what_is_missing_says_who_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "plotly", None)
    said = r'Figures need plotly.* pip install "plotly>=5\.18" \(the extra "plot" of optuna-llm\)'
    with pytest.raises(MissingExtraError, match=said):
        check_extra("plotly", extra="plot", need="Figures need")
    with pytest.raises(MissingExtraError, match=said):
        import_extra("plotly", "plotly.subplots", extra="plot", need="Figures need")


def test_what_is_there_is_returned() -> None:
    check_extra("json", extra="plot", need="Nothing needs")
    module = import_extra("json", "json.decoder", extra="plot", need="Nothing needs")
    assert module.decoder.JSONDecoder


@pytest.mark.parametrize("surrogate", ["gbt", "classifier"])
def test_a_surrogate_without_scikit_learn_is_an_error_before_the_first_trial(
    surrogate: Literal["gbt", "classifier"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    CQRSampler()
    with pytest.raises(MissingExtraError, match=f'surrogate="{surrogate}" needs sklearn; .*pip'):
        CQRSampler(surrogate=surrogate)
