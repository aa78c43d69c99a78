"""A history and a search space become messages within a token budget.

No input or output happens here, and no client is known: messages are dictionaries with ``role``
and ``content``.
"""

from __future__ import annotations

from optuna_llm.prompts.advice import Advice
from optuna_llm.prompts.advice import Point
from optuna_llm.prompts.aliases import AnonymousView
from optuna_llm.prompts.aliases import View
from optuna_llm.prompts.answer import Beside
from optuna_llm.prompts.answer import proposal_schema
from optuna_llm.prompts.dataset_card import DatasetCard
from optuna_llm.prompts.few_shot import FAILED
from optuna_llm.prompts.few_shot import Example
from optuna_llm.prompts.few_shot import candidate_examples
from optuna_llm.prompts.few_shot import candidate_messages
from optuna_llm.prompts.few_shot import failed_examples
from optuna_llm.prompts.few_shot import n_fitting
from optuna_llm.prompts.few_shot import plausible_targets
from optuna_llm.prompts.few_shot import score_legend
from optuna_llm.prompts.few_shot import show_score
from optuna_llm.prompts.history_text import DEFAULT_TOKEN_BUDGET
from optuna_llm.prompts.history_text import history_text
from optuna_llm.prompts.history_text import pending_text
from optuna_llm.prompts.prediction import Prediction
from optuna_llm.prompts.prediction import prediction_messages
from optuna_llm.prompts.prediction import prediction_schema
from optuna_llm.prompts.proposal import PromptOptions
from optuna_llm.prompts.proposal import proposal_messages
from optuna_llm.prompts.proposal import repair_messages
from optuna_llm.prompts.task import Task


__all__ = [
    "DEFAULT_TOKEN_BUDGET",
    "FAILED",
    "Advice",
    "AnonymousView",
    "Beside",
    "DatasetCard",
    "Example",
    "Point",
    "Prediction",
    "PromptOptions",
    "Task",
    "View",
    "candidate_examples",
    "candidate_messages",
    "failed_examples",
    "history_text",
    "n_fitting",
    "pending_text",
    "plausible_targets",
    "prediction_messages",
    "prediction_schema",
    "proposal_messages",
    "proposal_schema",
    "repair_messages",
    "score_legend",
    "show_score",
]
