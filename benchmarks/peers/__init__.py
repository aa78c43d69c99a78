"""Peers from other packages, behind Optuna's sampler interface."""
