"""The table itself, one module for each field; general families stand before special ones."""

from __future__ import annotations

from optuna_llm.prior.knowledge import classical
from optuna_llm.prior.knowledge import language_models
from optuna_llm.prior.knowledge import networks
from optuna_llm.prior.knowledge import reinforcement_learning
from optuna_llm.prior.knowledge import special_networks
from optuna_llm.prior.knowledge import trees
from optuna_llm.prior.table import Family


# Where nothing else decides, the family that stands first does.
FAMILIES: tuple[Family, ...] = (
    networks.TRAINING,
    *trees.FAMILIES,
    *classical.FAMILIES,
    *special_networks.FAMILIES,
    *language_models.FAMILIES,
    *reinforcement_learning.FAMILIES,
)
