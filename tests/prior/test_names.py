from __future__ import annotations

import pytest

from optuna_llm.prior.names import Reading
from optuna_llm.prior.names import read


NAMES = {
    # Affixes are taken off.
    Reading("learningrate"): [
        "learning_rate",
        "learningRate",
        "LearningRate",
        "LEARNING-RATE",
        "learning rate",
    ],
    Reading("numtrees"): ["num.trees"],
    Reading("lr"): ["optimizer.lr"],
    Reading("weightdecay"): ["optimizer/weight_decay"],
    Reading("nestimators"): ["model__n_estimators"],
    Reading("dropout"): ["a.b.dropout", "layers.0.dropout", "dropout.3", "dropout2"],
    Reading("nunits"): ["n_units_1", "n_units_l0"],
    Reading("units"): ["layer_1_units"],
    Reading("filters"): ["conv2_filters"],
    Reading("op"): ["op_5"],
    Reading("c"): ["clf_C"],
    # Digits and words that belong to the name stay.
    Reading("adameps"): ["adam_eps"],
    Reading("logstdinit"): ["log_std_init"],
    Reading("beta2"): ["beta2"],
    Reading("eta0"): ["eta0"],
    Reading("lambdal1"): ["lambda_l1"],
    # The prefix of a family is kept.
    Reading("maxdepth", prefix="rf"): ["rf_max_depth"],
    Reading("maxdepth", prefix="randomforest"): ["random_forest_max_depth"],
    Reading("eta", prefix="xgb"): ["xgb__eta"],
    Reading("maxdepth", prefix="xgb"): ["XGBClassifier__max_depth"],
    Reading("gamma", prefix="svc"): ["svc_gamma"],
    Reading("k", prefix="knn"): ["knn_k"],
    # A transform is stated.
    Reading("lr", transform="log"): ["log_lr"],
    Reading("learningrate", transform="log10"): ["log10_learning_rate"],
    Reading("lr", transform="log10"): ["lr_log10"],
    Reading("batchsize", transform="log2"): ["batch_size_log2"],
    Reading("weightdecay", transform="ln"): ["ln_weight_decay"],
    Reading("gamma", transform="one_minus"): ["one_minus_gamma"],
}


@pytest.mark.parametrize(
    ("name", "reading"), [(name, reading) for reading, names in NAMES.items() for name in names]
)
def test_a_name_is_read(name: str, reading: Reading) -> None:
    assert read(name) == reading


@pytest.mark.parametrize("name", ["", "x", "foo_bar", "seed", "random_state", "__", "été", "0"])
def test_unknown_names(name: str) -> None:
    assert read(name) is None


def test_long_names_are_read_in_no_time() -> None:
    # With every order of taking affixes off, this would take longer than the test run.
    assert read("model_" * 40 + "foo" + "_1" * 40) is None
