"""When to stop: what the next trials of a study may still bring, against what that is worth."""

from optuna_llm.stopping.callback import StopWhenDone
from optuna_llm.stopping.mark import resume
from optuna_llm.stopping.rules import Cost
from optuna_llm.stopping.rules import ExpectedImprovement
from optuna_llm.stopping.rules import Finding
from optuna_llm.stopping.rules import Patience
from optuna_llm.stopping.rules import RegretBound
from optuna_llm.stopping.rules import Rule
from optuna_llm.stopping.rules import Target
from optuna_llm.stopping.verdicts import Verdict
from optuna_llm.stopping.verdicts import verdict


__all__ = [
    "Cost",
    "ExpectedImprovement",
    "Finding",
    "Patience",
    "RegretBound",
    "Rule",
    "StopWhenDone",
    "Target",
    "Verdict",
    "resume",
    "verdict",
]
