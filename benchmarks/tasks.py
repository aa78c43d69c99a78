"""The tasks, in two lists: defaults are chosen on DEVELOPMENT, results are reported on REPORT.

What was chosen on the former: the schedule of ``LLMSampler`` (shares, spreads, vetoes) on the
tables; the surrogate, the acquisition function and the candidates of ``CQRSampler`` on the tables
and on YAHPO, its first sketches on support vector machines, linear models and boosting on digits
and diabetes. The embedded prior's values come from documentation and papers, and were checked on
models trained on digits, wine and diabetes. So no report task trains on these with scikit-learn
or XGBoost. Nothing was chosen on ``bbob`` or ``torch``, nor on any task of REPORT.

A task is one line: its suite, and what the suite's module makes of the rest of the name.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
import functools
import importlib

from benchmarks.task import Task
from benchmarks.variants import VARIANTS
from benchmarks.variants import Variant


DEVELOPMENT = (
    "hpobench/australian",
    "hpobench/blood_transfusion",
    "hpobench/car",
    "hpobench/credit_g",
    "hpolib/naval_propulsion",
    "hpolib/parkinsons_telemonitoring",
    "nasbench201/cifar10",
    "yahpo/lcbench/3945",
    "yahpo/lcbench/7593",
    "yahpo/lcbench/167168",
    "yahpo/lcbench/189873",
    "yahpo/lcbench/168908",
    "yahpo/lcbench/189354",
    "yahpo/rbv2_xgboost/12",
    "yahpo/rbv2_xgboost/1501",
    "yahpo/rbv2_xgboost/40499",
    "yahpo/rbv2_xgboost/16",
    "xgboost/diabetes",
    "sklearn/svm-digits",
    "sklearn/sgd-digits",
    "sklearn/histgb-diabetes",
    "torch/cnn-digits",
    "torch/cnn-cifar10",
    "bbob/f1-5d",
    "bbob/f8-5d",
    "bbob/f17-5d",
)
REPORT = (
    "hpobench/kc1",
    "hpobench/phoneme",
    "hpobench/segment",
    "hpobench/vehicle",
    "hpolib/protein_structure",
    "hpolib/slice_localization",
    "nasbench201/cifar100",
    "nasbench201/imagenet",
    "yahpo/lcbench/34539",
    "yahpo/lcbench/126026",
    "yahpo/lcbench/146212",
    "yahpo/lcbench/167149",
    "yahpo/lcbench/168330",
    "yahpo/lcbench/189908",
    "yahpo/rbv2_xgboost/54",
    "yahpo/rbv2_xgboost/1067",
    "yahpo/rbv2_xgboost/1461",
    "yahpo/rbv2_xgboost/1590",
    "yahpo/rbv2_xgboost/40975",
    "yahpo/rbv2_xgboost/41163",
    "xgboost/breast_cancer",
    "xgboost/friedman1",
    "sklearn/svm-breast_cancer",
    "sklearn/mlp-breast_cancer",
    "sklearn/forest-friedman1",
    "torch/resnet-digits",
    "torch/resnet-cifar10",
    "bbob/f3-5d",
    "bbob/f6-5d",
    "bbob/f10-5d",
    "bbob/f15-5d",
    "bbob/f21-5d",
    "bbob/f10-10d",
    "bbob/f15-10d",
)
# Where each suite's tasks come from: a module with load(name).
SUITES = {
    "hpobench": "benchmarks.suites.tables",
    "hpolib": "benchmarks.suites.tables",
    "nasbench201": "benchmarks.suites.tables",
    "yahpo": "benchmarks.suites.yahpo",
    "xgboost": "benchmarks.suites.scikit",
    "sklearn": "benchmarks.suites.scikit",
    "torch": "benchmarks.suites.pytorch",
    "bbob": "benchmarks.suites.bbob",
}
# Selections of tasks across suites.
SELECTIONS: dict[str, tuple[str, ...]] = {
    # The guard is run where the stand-in models can be told what is good.
    "guard": ("hpobench/", "hpolib/", "nasbench201/"),
    # Both lists in short: minutes, and nothing but what pip installs.
    "quick": (
        "hpobench/credit_g",
        "hpobench/vehicle",
        "hpolib/parkinsons_telemonitoring",
        "hpolib/protein_structure",
        "nasbench201/cifar10",
        "nasbench201/cifar100",
        "xgboost/breast_cancer",
        "xgboost/diabetes",
        "bbob/f8-5d",
        "bbob/f10-5d",
    ),
}
LISTS = {"development": DEVELOPMENT, "report": REPORT}


def select(suites: Sequence[str], tasks: Sequence[str]) -> list[str]:
    """Return the names of tasks that are in the suites or selections.

    Args:
        suites: Names of SUITES or SELECTIONS.
        tasks: ``development``, ``report`` or tasks by name; a task named is taken if its suite is
            known, whether or not it is in a list.
    """
    prefixes = [p for s in suites for p in SELECTIONS.get(s, (f"{s}/",))]
    listed = [t for name in tasks for t in LISTS.get(name, ())]
    named = [t for t in tasks if t not in LISTS]
    chosen = [t for t in listed if t.startswith(tuple(prefixes))]
    return list(dict.fromkeys([*chosen, *named]))


@functools.cache
def load(name: str) -> Task:
    """Load one task by its name, such as ``hpobench/kc1`` or ``hpobench-noisy/kc1``.

    Raises:
        benchmarks.task.UnavailableError: It needs data that are not there.
        ImportError: It needs a package that is not there.
    """
    suite, _, rest = name.partition("/")
    plain, _, variant = suite.partition("-")
    if variant:
        build: Callable[[Task], Variant] = VARIANTS[variant]
        return build(load(f"{plain}/{rest}"))
    task: Task = importlib.import_module(SUITES[plain]).load(name)
    return task
