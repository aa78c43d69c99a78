from __future__ import annotations

import contextvars
import threading

import pytest

from optuna_llm.chat import Message
from optuna_llm.chat import Usage
from optuna_llm.chat import connect
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from tests.chat.conftest import HELLO


def test_a_function_is_a_model() -> None:
    prompts: list[str] = []

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return "<think>hm</think>" + "x" * 40

    messages: list[Message] = [
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "Hello"},
    ]
    model = connect(answer, prices=(1.0, 1.0))
    assert model is not None
    assert model.name == "answer"
    completion = model.complete(messages, schema={"type": "object"}, max_output_tokens=5)
    assert prompts == ["Be short.\n\nHello"]
    assert completion.text == "x" * 40
    assert completion.mode == "text"
    assert completion.usage == Usage(8, 20, estimated=True)
    assert completion.cost == pytest.approx(28e-6)


def test_a_longer_conversation_has_headings() -> None:
    model = connect(lambda prompt: prompt, model_name="echo")
    assert model is not None
    assert model.name == "echo"
    turns: list[Message] = [*HELLO, {"role": "assistant", "content": "Hi"}, *HELLO]
    assert model.complete(turns).text == (
        "User:\nSay hello, as JSON.\n\nAssistant:\nHi\n\nUser:\nSay hello, as JSON."
    )


def _fails(prompt: str) -> str:
    raise ValueError("no luck, api_key=abcdef123456")


def _knows_better(prompt: str) -> str:
    raise ModelSetupError("load the weights first")


@pytest.mark.parametrize(
    ("function", "kind", "reason"),
    [
        (_fails, ModelError, r"_fails raised ValueError: no luck, api_key=\[redacted\]"),
        (_knows_better, ModelSetupError, "load the weights first"),
        (lambda prompt: None, ModelError, "returned NoneType; it must return.*str"),
        (lambda prompt: " \n", EmptyReplyError, "no text"),
        (lambda prompt: "<think>only", EmptyReplyError, "no text"),
    ],
)
def test_what_goes_wrong_in_a_function(function: object, kind: type, reason: str) -> None:
    model = connect(function)  # type: ignore[arg-type]
    assert model is not None
    with pytest.raises(kind, match=reason) as caught:
        model.complete(HELLO)
    assert caught.value.__cause__ is None


def test_a_function_that_hangs_is_given_up() -> None:
    release = threading.Event()
    model = connect(lambda prompt: str(release.wait(60)), timeout=0.2, model_name="slow")
    assert model is not None
    with pytest.raises(ModelError, match=r"no answer from slow within 0\.2 s"):
        model.complete(HELLO)
    release.set()


def test_a_function_sees_the_context_of_the_caller() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")
    variable.set("seen")
    model = connect(lambda prompt: variable.get())
    assert model is not None
    assert model.complete(HELLO).text == "seen"


def test_time_that_ran_out_in_a_function_is_a_try_without_an_answer() -> None:
    class ReadTimeout(OSError):
        """As HTTP libraries have one."""

    def ask(prompt: str) -> str:
        raise (ReadTimeout if "slow" in prompt else ValueError)("oops")

    model = connect(ask)
    assert model is not None
    for prompt, unanswered in (("slow", 1), ("wrong", 0)):
        with pytest.raises(ModelError, match="oops") as caught:
            model.complete([{"role": "user", "content": prompt}])
        assert caught.value.unanswered == unanswered
