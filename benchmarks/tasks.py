"""The tasks, in two lists: defaults are chosen on DEVELOPMENT, results are reported on REPORT.

What was chosen on the former: the schedule of ``LLMSampler`` (shares, spreads, vetoes) on the
tables; the surrogate, the acquisition function and the candidates of ``CQRSampler`` on the tables
and on YAHPO, its first sketches on support vector machines, linear models and boosting on digits
and diabetes. The embedded prior's values come from documentation and papers, and were checked on
models trained on digits, wine and diabetes. So no report task trains on these with scikit-learn
or XGBoost. The treatment of failures and of constraints is measured on ``robust`` and on
``constrained``; that a warm start has the usual values second, on ``transfer``. Portfolios are
chosen on tables of their own (``benchmarks.dev.portfolios``), and how they are used on
``knowledge``. Nothing was chosen on ``torch``, nor on any task of REPORT.

A task is one line: its suite, and what the suite's module makes of the rest of the name.
"""

from __future__ import annotations

from collections.abc import Sequence
import difflib
import functools
import importlib

from benchmarks.references import UnknownTaskError
from benchmarks.task import Task
from benchmarks.variants import VARIANTS


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
    "bbob/f1-4d",
    "bbob/f1-5d",
    "bbob/f8-5d",
    "bbob/f17-5d",
    "constrained/linear-ball-4d-i1",
    "constrained/sphere-slope-5d-i1",
    "constrained/ellipsoid-slopes-4d-i1",
    "constrained/powers-ball-5d-i1",
    "constrained/valley-hole-5d-i1",
    "constrained/hpobench-credit_g",
    "constrained/hpolib-parkinsons_telemonitoring",
    "constrained/nasbench201-cifar10",
    "constrained/forest-diabetes",
    "constrained/xgboost-diabetes",
    "objectives/hpobench-credit_g-time",
    "objectives/hpolib-parkinsons_telemonitoring-size",
    "objectives/hpolib-naval_propulsion-time-size",
    "objectives/nasbench201-cifar10-latency",
    "objectives/nasbench201-cifar10-time-within-size",
    "objectives/lcbench-3945-size",
    "objectives/lcbench-167168-size",
    "objectives/lcbench-7593-size-within-cross_entropy",
    "objectives/rbv2_xgboost-12-latency",
    "objectives/rbv2_xgboost-1501-latency",
    "objectives/rbv2_xgboost-16-log_loss-latency",
    "objectives/tree-digits-size",
    "objectives/tree-diabetes-size",
    "interior/kernel-friedman2",
    "interior/kernel-friedman3",
    "interior/neighbours-friedman1",
    "knowledge/xgboost-credit",
    "knowledge/xgboost-concrete",
    "knowledge/lightgbm-deliveries",
    "knowledge/forest-attrition",
    "knowledge/svm-chile",
    "knowledge/elastic-cars",
    "knowledge/logistic-email",
    "knowledge/knn-saratoga",
    "knowledge/network-loans",
    "knowledge/network-grades",
    "transfer/grow-xgboost-diabetes",
    "transfer/grow-elastic-diabetes",
    "transfer/grow-knn-wine",
    "transfer/others-lcbench-3945",
    "transfer/others-rbv2_xgboost-12",
    "transfer/changed-lcbench-7593",
    "transfer/changed-rbv2_xgboost-1501",
    "transfer/unrelated-lcbench-3945",
    "transfer/unrelated-rbv2_xgboost-12",
    "transfer/hostile-lcbench-7593",
    "transfer/hostile-rbv2_xgboost-12",
    "transfer/hostile-knn-wine",
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
    "constrained/linear-ball-5d-i2",
    "constrained/sphere-slopes-5d-i2",
    "constrained/ellipsoid-ball-4d-i2",
    "constrained/powers-slope-6d-i2",
    "constrained/valley-slopes-4d-i2",
    "constrained/sphere-hole-4d-i2",
    "constrained/hpobench-phoneme",
    "constrained/hpobench-vehicle",
    "constrained/hpolib-protein_structure",
    "constrained/nasbench201-cifar100",
    "constrained/forest-friedman1",
    "constrained/xgboost-breast_cancer",
    "objectives/hpobench-vehicle-time",
    "objectives/hpobench-phoneme-time",
    "objectives/hpolib-protein_structure-size",
    "objectives/hpolib-slice_localization-time-size",
    "objectives/nasbench201-cifar100-latency",
    "objectives/nasbench201-cifar100-time-within-size",
    "objectives/lcbench-34539-size",
    "objectives/lcbench-126026-size",
    "objectives/lcbench-167149-size-within-cross_entropy",
    "objectives/rbv2_xgboost-1067-latency",
    "objectives/rbv2_xgboost-40975-latency",
    "objectives/rbv2_xgboost-54-log_loss-latency",
    "objectives/tree-breast_cancer-size",
    "objectives/tree-friedman1-size",
    "interior/kernel-friedman1",
    "interior/neighbours-friedman2",
    "interior/neighbours-friedman3",
    "knowledge/xgboost-churn",
    "knowledge/xgboost-computers",
    "knowledge/lightgbm-pitches",
    "knowledge/forest-jobs",
    "knowledge/svm-leaves",
    "knowledge/elastic-colleges",
    "knowledge/logistic-arrests",
    "knowledge/knn-bodies",
    "knowledge/network-cells",
    "knowledge/network-doctors",
    "transfer/grow-xgboost-breast_cancer",
    "transfer/grow-forest-friedman1",
    "transfer/grow-elastic-friedman1",
    "transfer/grow-svm-breast_cancer",
    "transfer/others-lcbench-34539",
    "transfer/others-lcbench-126026",
    "transfer/others-rbv2_xgboost-1067",
    "transfer/others-rbv2_xgboost-40975",
    "transfer/changed-lcbench-167149",
    "transfer/changed-rbv2_xgboost-54",
    "transfer/unrelated-lcbench-34539",
    "transfer/unrelated-rbv2_xgboost-1067",
    "transfer/hostile-lcbench-126026",
    "transfer/hostile-rbv2_xgboost-40975",
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
    "constrained": "benchmarks.suites.constrained",
    "objectives": "benchmarks.suites.objectives",
    "interior": "benchmarks.suites.interior",
    "knowledge": "benchmarks.suites.knowledge",
    "transfer": "benchmarks.suites.transfer",
}
# Selections of tasks across suites.
SELECTIONS: dict[str, tuple[str, ...]] = {
    # The guard is run where the stand-in models can be told what is good.
    "guard": ("hpobench/", "hpolib/", "nasbench201/"),
    # Where failures that parameters do not explain are measured: every kind of task that is fast,
    # among them two smooth bowls (f1).
    "robust": (
        "hpobench/car",
        "hpobench/credit_g",
        "hpobench/phoneme",
        "hpobench/vehicle",
        "hpolib/parkinsons_telemonitoring",
        "hpolib/protein_structure",
        "nasbench201/cifar10",
        "nasbench201/cifar100",
        "yahpo/lcbench/3945",
        "yahpo/lcbench/34539",
        "yahpo/rbv2_xgboost/12",
        "yahpo/rbv2_xgboost/1067",
        "bbob/f1-4d",
        "bbob/f1-5d",
        "bbob/f8-5d",
        "bbob/f6-5d",
        "bbob/f10-5d",
        "bbob/f15-5d",
    ),
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
        benchmarks.references.UnknownTaskError: There is no such suite, variant or task.
        benchmarks.task.UnavailableError: It needs data that are not there.
        ImportError: It needs a package that is not there.
    """
    suite, _, rest = name.partition("/")
    plain, _, variant = suite.partition("-")
    if plain not in SUITES or not rest:
        raise UnknownTaskError(
            f"unknown task {name!r}: the form is suite/task; suites: {', '.join(SUITES)}"
        )
    if variant and variant not in VARIANTS:
        raise UnknownTaskError(
            f"unknown task {name!r}: the variants of {plain} are {', '.join(VARIANTS)}"
        )
    if variant:
        return VARIANTS[variant](load(f"{plain}/{rest}"))
    try:
        task: Task = importlib.import_module(SUITES[plain]).load(name)
    except UnknownTaskError as error:
        raise UnknownTaskError(f"unknown task {name!r}{_close(name)}: {error}") from None
    return task


def _close(name: str) -> str:
    """Return what may have been meant, among the tasks of the lists."""
    found = difflib.get_close_matches(name, [*DEVELOPMENT, *REPORT], n=1, cutoff=0.8)
    return f" (did you mean {found[0]}?)" if found else ""
