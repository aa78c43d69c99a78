"""One BLAS thread for the package's own linear algebra.

The matrices met here have some hundred rows. More threads only wait for one another, at the
expense of whatever else uses the cores: the user's training, or other workers.
"""

from __future__ import annotations

from contextlib import ContextDecorator
import functools
import os
import threading
from typing import TYPE_CHECKING


if TYPE_CHECKING:
    from threadpoolctl import LibController


@functools.lru_cache(maxsize=1)
def _libraries() -> tuple[LibController, ...]:
    """Return the BLAS libraries of NumPy and SciPy; finding them takes milliseconds."""
    import scipy.linalg  # noqa: F401 - loads SciPy's own library, which would be missed
    from threadpoolctl import ThreadpoolController

    return tuple(ThreadpoolController().select(user_api="blas").lib_controllers)


class OneBlasThread(ContextDecorator):
    """A context manager and decorator in which BLAS uses a single thread.

    The number of threads belongs to the whole process. So the first to enter sets it and the last
    to leave resets it, in whichever order the threads of the process come and go. A number that
    somebody else has set meanwhile is left alone. OpenMP, and with it PyTorch, is not touched.
    """

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before: list[tuple[LibController, int]] = []

    def __enter__(self) -> OneBlasThread:
        with self._lock:
            if self._inside == 0:
                self._before = [(blas, blas.get_num_threads()) for blas in _libraries()]
                for blas, _ in self._before:
                    blas.set_num_threads(1)
            self._inside += 1
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside = max(self._inside - 1, 0)
            if self._inside == 0:
                self._reset()

    def _reset(self) -> None:
        for blas, n_threads in self._before:
            if blas.get_num_threads() == 1:
                blas.set_num_threads(n_threads)
        self._before = []

    def after_fork(self) -> None:
        """Start anew in a forked process: the threads that are inside exist in its parent only."""
        self._reset()
        self._forget()


one_blas_thread = OneBlasThread()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=one_blas_thread.after_fork)
