"""Optuna samplers that propose with a language model, or with its knowledge.

Use them like any built-in sampler::

    study = optuna.create_study(sampler=optuna_llm.LLMSampler())
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING
from typing import Any


if TYPE_CHECKING:
    from optuna_llm.chat import Cassette
    from optuna_llm.cqr import CQRSampler
    from optuna_llm.llambo import LLAMBOSampler
    from optuna_llm.llm import LLMSampler
    from optuna_llm.prompts import DatasetCard
    from optuna_llm.prompts import Task
    from optuna_llm.reporting import report

__version__ = "0.1.0"

__all__ = [
    "CQRSampler",
    "Cassette",
    "DatasetCard",
    "LLAMBOSampler",
    "LLMSampler",
    "Task",
    "__version__",
    "report",
]

_ROOMS = {
    "CQRSampler": "optuna_llm.cqr",
    "Cassette": "optuna_llm.chat",
    "DatasetCard": "optuna_llm.prompts",
    "LLAMBOSampler": "optuna_llm.llambo",
    "LLMSampler": "optuna_llm.llm",
    "Task": "optuna_llm.prompts",
    "report": "optuna_llm.reporting",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: `import optuna_llm` costs next to nothing."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'optuna_llm' has no attribute {name!r}")
    return getattr(importlib.import_module(_ROOMS[name]), name)


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted(__all__)
