"""Optuna samplers that propose with a language model, or with its knowledge.

Use them like any built-in sampler::

    study = optuna.create_study(sampler=optuna_llm.LLMSampler())
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING
from typing import Any


if TYPE_CHECKING:
    from optuna_llm import errors as errors
    from optuna_llm import stopping as stopping
    from optuna_llm import visualization as visualization
    from optuna_llm.agent import AgentSampler
    from optuna_llm.chat import Cassette
    from optuna_llm.code.open_categorical import suggest_open_categorical
    from optuna_llm.code.parameter import code_parameter
    from optuna_llm.code.source import number
    from optuna_llm.code.suggest import load_code
    from optuna_llm.code.suggest import suggest_code
    from optuna_llm.cqr import CQRSampler
    from optuna_llm.llambo import LLAMBOSampler
    from optuna_llm.llm import LLMSampler
    from optuna_llm.prior.scale import Scale
    from optuna_llm.prior.usual import Usual
    from optuna_llm.prompts import DatasetCard
    from optuna_llm.prompts import Task
    from optuna_llm.reporting.best import BestConfiguration
    from optuna_llm.reporting.best import best_configuration
    from optuna_llm.reporting.page import Report
    from optuna_llm.reporting.page import report
    from optuna_llm.reporting.progress import Progress
    from optuna_llm.reporting.summary import Summary
    from optuna_llm.reporting.summary import summary
    from optuna_llm.stopping import StopWhenDone
    from optuna_llm.transfer.continued import continue_study
    from optuna_llm.transfer.own_prior import Prior
    from optuna_llm.transfer.plan import Transfer
    from optuna_llm.transfer.teaching import EarlierStudies
    from optuna_llm.transfer.warm_start import warm_start

__version__ = "0.2.0"

__all__ = [
    "AgentSampler",
    "BestConfiguration",
    "CQRSampler",
    "Cassette",
    "DatasetCard",
    "EarlierStudies",
    "LLAMBOSampler",
    "LLMSampler",
    "Prior",
    "Progress",
    "Report",
    "Scale",
    "StopWhenDone",
    "Summary",
    "Task",
    "Transfer",
    "Usual",
    "__version__",
    "best_configuration",
    "code_parameter",
    "continue_study",
    "load_code",
    "number",
    "report",
    "suggest_code",
    "suggest_open_categorical",
    "summary",
    "warm_start",
]

_ROOMS = {
    "AgentSampler": "optuna_llm.agent",
    "BestConfiguration": "optuna_llm.reporting.best",
    "CQRSampler": "optuna_llm.cqr",
    "Cassette": "optuna_llm.chat",
    "DatasetCard": "optuna_llm.prompts",
    "EarlierStudies": "optuna_llm.transfer.teaching",
    "LLAMBOSampler": "optuna_llm.llambo",
    "LLMSampler": "optuna_llm.llm",
    "Prior": "optuna_llm.transfer.own_prior",
    "Progress": "optuna_llm.reporting.progress",
    "Report": "optuna_llm.reporting.page",
    "Scale": "optuna_llm.prior.scale",
    "StopWhenDone": "optuna_llm.stopping",
    "Summary": "optuna_llm.reporting.summary",
    "Task": "optuna_llm.prompts",
    "Transfer": "optuna_llm.transfer.plan",
    "Usual": "optuna_llm.prior.usual",
    "best_configuration": "optuna_llm.reporting.best",
    "continue_study": "optuna_llm.transfer.continued",
    "report": "optuna_llm.reporting.page",
    "code_parameter": "optuna_llm.code.parameter",
    "load_code": "optuna_llm.code.suggest",
    "number": "optuna_llm.code.source",
    "suggest_code": "optuna_llm.code.suggest",
    "suggest_open_categorical": "optuna_llm.code.open_categorical",
    "summary": "optuna_llm.reporting.summary",
    "warm_start": "optuna_llm.transfer.warm_start",
}
_MODULES = ("errors", "stopping", "visualization")


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import optuna_llm` costs next to nothing."""
    if name in _MODULES:
        return importlib.import_module(f"optuna_llm.{name}")
    if name not in _ROOMS:
        raise AttributeError(f"module 'optuna_llm' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted([*__all__, *_MODULES])
