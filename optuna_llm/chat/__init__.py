"""All that speaks to a language model; knows nothing of Optuna."""

from optuna_llm.chat.answer_schema import tokens_for
from optuna_llm.chat.budget import Budget
from optuna_llm.chat.budget import Spending
from optuna_llm.chat.cassette import Cassette
from optuna_llm.chat.connect import connect
from optuna_llm.chat.connect import is_none
from optuna_llm.chat.connect import time_limits
from optuna_llm.chat.failure import is_timeout
from optuna_llm.chat.ledger import Ledger
from optuna_llm.chat.ledger import LedgerStore
from optuna_llm.chat.ledger import Reservation
from optuna_llm.chat.model import ChatModel
from optuna_llm.chat.model import Completion
from optuna_llm.chat.model import Message
from optuna_llm.chat.model import Usage
from optuna_llm.chat.model import estimate_prompt_tokens
from optuna_llm.chat.model import estimate_tokens
from optuna_llm.chat.model import reported_usage


__all__ = [
    "Budget",
    "Cassette",
    "ChatModel",
    "Completion",
    "Ledger",
    "LedgerStore",
    "Message",
    "Reservation",
    "Spending",
    "Usage",
    "connect",
    "estimate_prompt_tokens",
    "estimate_tokens",
    "is_none",
    "is_timeout",
    "reported_usage",
    "time_limits",
    "tokens_for",
]
