"""Random numbers of trials: a stream for each purpose, whichever worker and in whatever order."""

from __future__ import annotations

import zlib

import numpy as np


class RandomStreams:
    """Independent random streams, one for each trial number and purpose.

    The same seed, number and name always give the same stream from its beginning, so that no
    use of random numbers shifts another one, and workers with equal seeds still differ.

    Args:
        seed: Seed, or None: drawn when it is first needed, so that copies of an unused sampler
            differ.
    """

    def __init__(self, seed: int | None) -> None:
        self._seed = seed

    def __call__(self, number: int, name: str = "") -> np.random.Generator:
        """Return the stream of one purpose in one trial."""
        return np.random.default_rng(self.key(number, name))

    def key(self, number: int, name: str = "") -> list[int]:
        """Return what seeds that stream; the name counts as a whole."""
        if self._seed is None:
            self._seed = int(np.random.SeedSequence().generate_state(1)[0])
        return [self._seed, number, zlib.crc32(name.encode("utf-8", "surrogatepass"))]
