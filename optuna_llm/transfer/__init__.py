"""What earlier studies teach a new one, also where the search space has changed."""

from __future__ import annotations
