from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence

from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
import numpy as np

from optuna_llm.history.fidelity import align
from optuna_llm.history.fidelity import aligned_values
from optuna_llm.history.fidelity import last_values


# Losses fall by 1 from step 1 to 3 and by another 2 to the final value at step 9.
FINISHED = [{1: 5.0 + i, 3: 4.0 + i, 9: 2.0 + i} for i in range(4)]
FINAL: list[float | None] = [2.0 + i for i in range(4)]


def test_last_values_count_at_whatever_step():
    values = last_values([{1: 5.0, 3: 4.0}, {1: 9.0}, {}], [None, None, 1.0])
    np.testing.assert_array_equal(values, [4, 9, 1])


def test_stopped_values_are_carried_to_the_end():
    values = aligned_values([*FINISHED, {1: 6.5}, {1: 8.5, 3: 7.5}], [*FINAL, None, None])
    np.testing.assert_allclose(values, [2, 3, 4, 5, 3.5, 5.5])


def test_without_finished_values_at_a_step_the_way_leads_over_a_later_one():
    through = [{1: 8.0 + i, 3: 7.0 + i} for i in range(4)]
    finished = [{3: c[3], 9: c[9]} for c in FINISHED]
    values = aligned_values([*finished, *through, {1: 6.5}], [*FINAL, *[None] * 5])
    np.testing.assert_allclose(values[-1], 3.5)


def test_nothing_stopped_beats_the_best_finished():
    assert aligned_values([*FINISHED, {1: -50.0}], [*FINAL, None])[-1] == 2.0


def test_without_enough_to_compare_the_further_one_is_better():
    curves = [{9: 5.0}, {1: 0.1}, {3: 9.0}, {1: 0.0}, {3: 8.0}]
    values = aligned_values(curves, [5.0, None, None, None, None])
    assert list(np.argsort(values)) == [0, 4, 2, 3, 1]
    assert list(np.argsort(aligned_values(curves[1:], [None] * 4))) == [3, 1, 2, 0]


def test_infinite_reports_do_no_harm():
    values = aligned_values([*FINISHED, {1: np.inf}, {1: 5.0}], [*FINAL, None, None])
    assert values[-2] == np.inf
    np.testing.assert_allclose(values[-1], 2.0)


def test_without_evaluations_there_are_no_values() -> None:
    assert aligned_values([], []).shape == (0,)


def plain_gains(
    curves: Sequence[Mapping[int, float]], final: Sequence[float | None]
) -> dict[int, float]:
    """Return the median change from every step to the end, step by step from the last one."""
    gains: dict[int, float] = {}
    steps = sorted({step for c in curves for step in c}, reverse=True)
    for step in steps:
        to_end = [f - c[step] for c, f in zip(curves, final, strict=True) if f and step in c]
        if len(to_end) >= 4:
            gains[step] = float(np.median(to_end))
            continue
        for later in (s for s in steps if s > step and s in gains):
            changes = [c[later] - c[step] for c in curves if step in c and later in c]
            if len(changes) >= 4:
                gains[step] = float(np.median(changes)) + gains[later]
                break
    return gains


evaluations = st.tuples(
    st.dictionaries(st.integers(0, 7), st.floats(1, 2), min_size=1),
    st.one_of(st.none(), st.floats(1, 2)),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(evaluations, min_size=1, max_size=30))
def test_values_are_carried_as_by_the_plain_rule(found: list):
    curves, final = [c for c, _ in found], [f for _, f in found]
    gains = plain_gains(curves, final)
    values, in_units = align(curves, final)
    best = min((f for f in final if f is not None), default=-np.inf)
    for curve, end, value, known in zip(curves, final, values, in_units, strict=True):
        step = max(curve)
        assert known == (end is not None or step in gains)
        if end is not None:
            assert value == end
        elif known:
            assert value == max(curve[step] + gains[step], best)
    places = sorted(np.flatnonzero(~in_units), key=lambda i: (-max(curves[i]), values[i]))
    assert list(values[places]) == sorted(values[places])
    assert not in_units.any() or values[in_units].max() <= values[~in_units].min(initial=np.inf)


def test_without_a_complete_evaluation_values_are_places():
    values, in_units = align([{1: 0.9}, {1: 0.7}, {2: 0.8}], [None] * 3)
    assert not in_units.any()
    assert list(np.argsort(values)) == [2, 1, 0]
    assert align(FINISHED, FINAL).in_units.all()


class Counted(dict):
    """A curve that counts how often it is asked for a step."""

    asked = 0

    def __contains__(self, step: object) -> bool:
        Counted.asked += 1
        return super().__contains__(step)


def test_time_grows_with_the_number_of_values_only():
    for n_complete, reported in ((3, range(1000)), (5, range(1000)), (5, range(0, 1000, 7))):
        Counted.asked = 0
        curves = [Counted({k: 1 / (k + 1) for k in reported}) for _ in range(n_complete)]
        stopped = [Counted({k: 1 / (k + 1) for k in range(500 + 7 * i)}) for i in range(40)]
        final = [0.0] * n_complete + [None] * 40
        assert align([*curves, *stopped], final).in_units.sum() >= n_complete
        # 40 last steps, each looked for in 45 curves, and at most twice again on the way.
        assert Counted.asked < 10 * 40 * 45
