"""The development tasks of CQRSampler: those of the shared list with tables or YAHPO surrogates,
regressions with optima inside, and more instances of YAHPO. None is a report task.

    python -m benchmarks run --tasks $(python -m benchmarks.dev.tasks) --samplers TPE GP CQR \
        --seeds 0-1 --trials 100 --results build/benchmarks/development.csv
"""

from __future__ import annotations

from benchmarks import tasks


_LCBENCH = (126029, 167152, 167184, 167200, 168331, 168868, 189862, 189906)
_RBV2_XGBOOST = (1487, 1497, 300, 31, 182, 42, 6332, 40984, 29, 334, 1049, 37)

CHEAP = tuple(
    name
    for name in tasks.DEVELOPMENT
    if name.startswith(("hpobench/", "hpolib/", "nasbench201/", "yahpo/", "interior/"))
)
MORE = tuple(
    [f"yahpo/lcbench/{i}" for i in _LCBENCH] + [f"yahpo/rbv2_xgboost/{i}" for i in _RBV2_XGBOOST]
)


if __name__ == "__main__":
    print(*CHEAP, *MORE)
