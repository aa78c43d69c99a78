"""Which parameter a key of a reply means."""

from __future__ import annotations

import unicodedata

from optuna.distributions import FloatDistribution
import pytest

from optuna_llm.replies.repair import match_name
from optuna_llm.space.search_space import SearchSpace


def _space(*names: str) -> SearchSpace:
    return SearchSpace({name: FloatDistribution(0, 1) for name in names})


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("Learning Rate", "learning_rate"),
        ("LEARNING-RATE", "learning_rate"),
        ("learningrate", "learning_rate"),
        ("学习率", "学习率"),
        ("「学习率」", "学习率"),
        ("Größe", "größe"),
        ("GRÖSSE", "größe"),
        ("ｗｉｄｔｈ", "width"),
        ("λ", "λ"),
        ("Λ", "λ"),
    ],
)
def test_a_key_means_the_name_with_its_letters(key: str, name: str) -> None:
    assert match_name(_space("learning_rate", "学习率", "größe", "width", "λ", "b"), key) == name


@pytest.mark.parametrize("key", ["", "   ", "---", "理由", "深度", "…", "?", "lr2", "का", "größ"])
def test_a_key_with_other_letters_means_nothing(key: str) -> None:
    assert match_name(_space("lr", "学习率", "कि", "größe"), key) is None


def test_names_without_letters_are_found_exactly_only() -> None:
    space = _space("*", "lr")
    assert match_name(space, "*") == "*"
    assert match_name(space, "!") is None
    assert match_name(space, "") is None


@pytest.mark.parametrize("name", ["naïve_é", "Å", "ﬁlter", "학습률", "が"])
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_normal_forms_are_one_name(name: str, form: str) -> None:
    space = _space(unicodedata.normalize("NFD", name), "b")
    assert match_name(space, unicodedata.normalize(form, name)) == space.names[0]  # type: ignore[arg-type]


def test_names_that_differ_by_case_or_marks_need_the_exact_key() -> None:
    space = _space("a", "A", "n_layers", "nlayers")
    assert match_name(space, "a") == "a"
    assert match_name(space, "A") == "A"
    assert match_name(space, "n_layers") == "n_layers"
    assert match_name(space, "N Layers") is None
