"""A history and a search space become messages within a token budget; a reply becomes proposals.

No input or output happens here, and no client is known: messages are dictionaries with ``role``
and ``content``.
"""

from __future__ import annotations

from optuna_llm.prompts.aliases import AnonymousView
from optuna_llm.prompts.aliases import View
from optuna_llm.prompts.dataset_card import DatasetCard
from optuna_llm.prompts.history_text import DEFAULT_TOKEN_BUDGET
from optuna_llm.prompts.history_text import history_text
from optuna_llm.prompts.history_text import pending_text
from optuna_llm.prompts.proposal import Advice
from optuna_llm.prompts.proposal import PromptOptions
from optuna_llm.prompts.proposal import proposal_messages
from optuna_llm.prompts.proposal import proposal_schema
from optuna_llm.prompts.proposal import repair_messages
from optuna_llm.prompts.reply import RawProposal
from optuna_llm.prompts.reply import parse_proposals
from optuna_llm.prompts.task import Task
from optuna_llm.prompts.text import estimate_tokens


__all__ = [
    "DEFAULT_TOKEN_BUDGET",
    "Advice",
    "AnonymousView",
    "DatasetCard",
    "PromptOptions",
    "RawProposal",
    "Task",
    "View",
    "estimate_tokens",
    "history_text",
    "parse_proposals",
    "pending_text",
    "proposal_messages",
    "proposal_schema",
    "repair_messages",
]
