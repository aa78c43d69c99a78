"""How results are shown to a model: in the user's own sign, with digits that tell them apart."""

from __future__ import annotations

from collections.abc import Sequence
import math

from optuna.study import StudyDirection

from optuna_llm.history import History
from optuna_llm.history import Observation
from optuna_llm.prompts.text import show_name
from optuna_llm.prompts.text import show_result


# Below this relative spread four digits no longer tell the better trials apart.
_NARROW_SPREAD = 1e-3


class Results:
    """How results are shown: the user's own sign, or the distance to the best where that is tiny.

    Args:
        history: The trials whose results are to be shown.
        plain: Show six digits instead of distances, which change with the best.
    """

    def __init__(self, history: History, *, plain: bool = False) -> None:
        self._signs = tuple(-1 if d == StudyDirection.MAXIMIZE else 1 for d in history.directions)
        self.names = tuple(show_name(n) for n in history.metric_names)
        self._plain = plain
        self._offsets = [
            None
            if plain
            else _narrow_best([o.values[i] for o in history.complete if o.values is not None])
            for i in range(len(self._signs))
        ]

    @property
    def columns(self) -> tuple[str, ...]:
        """The heads of the columns of the results."""
        return tuple(
            name if offset is None else f"{name} minus best"
            for name, offset in zip(self.names, self._offsets, strict=True)
        )

    def direction(self, objective: int) -> str:
        """Say what is wanted of an objective."""
        verb = "maximize" if self._signs[objective] < 0 else "minimize"
        return f"{verb} {self.names[objective]}"

    def show(self, objective: int, value: float) -> str:
        """Show one signed value alone, with enough digits to tell it from its neighbours."""
        own = self._signs[objective] * value
        if self._plain:
            return f"{own:.6g}"
        return show_result(own) if self._offsets[objective] is None else f"{own:.8g}"

    def cells(self, o: Observation) -> list[str]:
        """Show the results of one trial for the table."""
        if o.values is None:
            last = list(o.intermediate_values.values())[-1:]
            shown = [self._cell(0, v) for v in last]
            return (shown or ["-"]) + ["-"] * (len(self.names) - 1)
        return [self._cell(i, v) for i, v in enumerate(o.values)]

    def named(self, o: Observation) -> str:
        """Show the results of a complete trial in a sentence."""
        assert o.values is not None
        return ", ".join(f"{n} {self.show(i, o.values[i])}" for i, n in enumerate(self.names))

    def _cell(self, objective: int, value: float) -> str:
        offset = self._offsets[objective]
        if offset is None:
            return show_result(self._signs[objective] * value)
        return f"{self._signs[objective] * (value - offset):+.3e}"


def _narrow_best(values: Sequence[float]) -> float | None:
    """Return the best value if the better half lies within a thousandth of it, else None."""
    finite = sorted(v for v in values if math.isfinite(v))
    if len(finite) < 3:
        return None
    spread = finite[len(finite) // 2] - finite[0]
    scale = max(abs(finite[0]), abs(finite[len(finite) // 2]))
    return finite[0] if 0 < spread < _NARROW_SPREAD * scale else None
