"""Peers from other packages, each in an environment of its own, behind Optuna's sampler interface.

``make peers`` builds the environments from ``requirements/``. A peer is a small file that imports
its package and nothing of ours; :mod:`benchmarks.peers.worker` runs it there, and
:mod:`benchmarks.peers.remote` talks to that process by lines of JSON.
"""
