from __future__ import annotations

import pytest

from optuna_llm.prior.names import read


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("learning_rate", "learningrate"),
        ("learningRate", "learningrate"),
        ("LearningRate", "learningrate"),
        ("LEARNING-RATE", "learningrate"),
        ("learning rate", "learningrate"),
        ("num.trees", "numtrees"),
        ("optimizer.lr", "lr"),
        ("optimizer/weight_decay", "weightdecay"),
        ("model__n_estimators", "nestimators"),
        ("a.b.dropout", "dropout"),
        ("layers.0.dropout", "dropout"),
        ("dropout.3", "dropout"),
        ("n_units_1", "nunits"),
        ("n_units_l0", "nunits"),
        ("dropout2", "dropout"),
        ("layer_1_units", "units"),
        ("conv2_filters", "filters"),
        ("op_5", "op"),
        ("clf_C", "c"),
        # Digits that belong to the name stay.
        ("beta2", "beta2"),
        ("eta0", "eta0"),
        ("lambda_l1", "lambdal1"),
    ],
)
def test_affixes_are_taken_off(name: str, key: str) -> None:
    reading = read(name)
    assert reading is not None
    assert (reading.key, reading.prefix, reading.transform) == (key, "", "")


@pytest.mark.parametrize(
    ("name", "prefix", "key"),
    [
        ("rf_max_depth", "rf", "maxdepth"),
        ("random_forest_max_depth", "randomforest", "maxdepth"),
        ("xgb__eta", "xgb", "eta"),
        ("XGBClassifier__max_depth", "xgb", "maxdepth"),
        ("svc_gamma", "svc", "gamma"),
        ("knn_k", "knn", "k"),
        ("adam_eps", "", "adameps"),
    ],
)
def test_prefix_of_a_family_is_kept(name: str, prefix: str, key: str) -> None:
    reading = read(name)
    assert reading is not None
    assert (reading.prefix, reading.key) == (prefix, key)


@pytest.mark.parametrize(
    ("name", "transform", "key"),
    [
        ("log_lr", "log", "lr"),
        ("log10_learning_rate", "log10", "learningrate"),
        ("lr_log10", "log10", "lr"),
        ("batch_size_log2", "log2", "batchsize"),
        ("ln_weight_decay", "ln", "weightdecay"),
        ("one_minus_gamma", "one_minus", "gamma"),
        ("log_std_init", "", "logstdinit"),
    ],
)
def test_stated_transform(name: str, transform: str, key: str) -> None:
    reading = read(name)
    assert reading is not None
    assert (reading.transform, reading.key) == (transform, key)


@pytest.mark.parametrize("name", ["", "x", "foo_bar", "seed", "random_state", "__", "été", "0"])
def test_unknown_names(name: str) -> None:
    assert read(name) is None


def test_long_names_are_read_in_no_time() -> None:
    # With every order of taking affixes off, this would take longer than the test run.
    assert read("model_" * 40 + "foo" + "_1" * 40) is None
