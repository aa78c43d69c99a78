"""How a proposer and a base sampler share the trials of a study.

From the outside in: a user's sampler (``llm.py``, ``llambo.py``) is a
:class:`~optuna_llm.sharing.model_sampler.ModelSampler`, which knows the model and its failures.
That is a :class:`~optuna_llm.sharing.hybrid.HybridSampler`, the frame, which gives every trial to
the starting design, to the proposer or to the base sampler, and writes who it was. The
:class:`~optuna_llm.sharing.base.Base` is any sampler of Optuna's; a
:class:`~optuna_llm.sharing.delegating.DelegatingSampler` lets it see every trial begin and end.
"""
