from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from optuna_llm.ask_tell.program import Metric
from optuna_llm.ask_tell.program import Program
from optuna_llm.ask_tell.program import outcome
from optuna_llm.errors import ConfigurationError


PARAMS = {"lr": 0.001, "kind": "a b", "flag": None}


def test_placeholders_become_values_and_one_word_stays_one_word() -> None:
    program = Program.of(["./t.sh", "--lr={lr}", "{kind}", "{trial}", "{params}"], list(PARAMS))
    *words, params = program.call(PARAMS, 7)
    assert words == ["./t.sh", "--lr=0.001", "a b", "7"]
    assert json.loads(params) == PARAMS


def test_braces_that_are_no_placeholder_stay() -> None:
    word = '{"a": 1} ${x y} {}'
    assert Program.of([word], ["lr"]).call({"lr": 1}, 0) == [word]


def test_what_stands_for_nothing_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"\{rate\}.*lr, params, trial"):
        Program.of(["t", "{rate}"], ["lr"])
    with pytest.raises(ConfigurationError, match="after --"):
        Program.of([], ["lr"])


def test_options_of_parameters_that_do_not_apply_are_left_out() -> None:
    words = ["t", "--lr", "{lr}", "--depth", "{depth}", "-m={depth}", "-v", "{lr}-{depth}"]
    program = Program.of([*words, "{depth}", "end"], ["lr", "depth"])
    assert program.call({"lr": 1}, 0) == ["t", "--lr", "1", "-v", "1-", "", "end"]
    assert program.call({"lr": 1, "depth": 2}, 0)[3:] == [
        *("--depth", "2", "-m=2", "-v", "1-2", "2", "end"),
    ]
    whole = Program.of(["t", "{params}"], ["lr", "depth"]).call({"lr": 1}, 0)
    assert json.loads(whole[1]) == {"lr": 1}


def test_parameters_that_are_not_passed_on_are_noticed() -> None:
    names = list(PARAMS)
    assert Program.of(["t", "{lr}"], names).unused(names) == ["kind", "flag"]
    assert Program.of(["t", "{params}"], names).unused(names) == []


@pytest.mark.parametrize(
    ("metric", "output", "value"),
    [
        (Metric(), "epoch 1\n0.5\n0.25\ndone\n", 0.25),
        (Metric(), "0.5 0.25\n", None),
        (Metric(), "nan\n", None),
        (Metric.matching(r"loss: (\S+)"), "loss: 3\nloss: 2e-1, end\nloss: ", None),
        (Metric.matching(r"loss: ([\d.e-]+)"), "loss: 3\nloss: 2e-1, end\n", 0.2),
        (Metric.matching(r"^\d+$"), "1\n2\n3x\n", 2.0),
        (Metric.at("eval.loss"), '{"eval": {"loss": 1}}\n{"eval": {"loss": 2}}\nbye\n', 2.0),
        (Metric.at("$.losses.-1"), '{"losses": [3, 1.5]}\n{broken\n', 1.5),
        (Metric.at("a.b"), '{"a": {"c": 1}}\n', None),
        (Metric.at("a/0"), '{"a": []}\n', None),
        (Metric.at("a"), '{"a": [1]}\n', None),
    ],
)
def test_where_the_value_stands(metric: Metric, output: str, value: float | None) -> None:
    assert metric.read(output) == value


def test_what_is_no_place_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"'\('.*regular expression"):
        Metric.matching("(")
    with pytest.raises(ConfigurationError, match="json_path"):
        Metric.at("$.")


@pytest.mark.parametrize(
    ("code", "output", "kind", "why"),
    [
        (0, "0.5\n", "complete", ""),
        (0, "no number\n", "failed", "no number at a line with a number"),
        (1, "Error: no GPU\n\n", "failed", "exit code 1: Error: no GPU"),
        (75, "", "preempted", "exit code 75"),
        (-15, "0.5\n", "preempted", "signal 15"),
        (143, "", "preempted", "signal 15"),
        (-9, "", "failed", "out of memory"),
        (137, "", "failed", "out of memory"),
        (-11, "", "failed", "exit code -11"),
    ],
)
def test_how_a_call_has_ended(code: int, output: str, kind: str, why: str) -> None:
    found = outcome(code, output, [Metric()])
    assert found.kind == kind
    assert why in found.why
    assert found.values == ((0.5,) if kind == "complete" else ())


def test_a_signal_is_what_python_says_it_is() -> None:
    code = f"import os; os.kill(os.getpid(), {int(signal.SIGTERM)})"
    ended = subprocess.run([sys.executable, "-c", code], check=False)
    assert outcome(ended.returncode, "", [Metric()]).kind == "preempted"
