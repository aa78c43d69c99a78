"""The tests. Each process has one thread for its numbers: workers side by side share the cores."""

import os


# Before NumPy is imported, which reads them once.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
