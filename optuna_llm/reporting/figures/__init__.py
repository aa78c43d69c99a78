"""Figures of a study: who proposed what, what came of it, and what the model cost.

In the manner of :mod:`optuna.visualization`: a study in, a Plotly figure out. The figures work for
every study; a trial that no sampler of this package proposed counts as "other sampler".
"""
