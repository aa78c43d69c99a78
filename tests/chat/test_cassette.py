from __future__ import annotations

from collections.abc import Callable
import json
import multiprocessing
from pathlib import Path
import pickle
import threading
from typing import Any

import pytest

from optuna_llm.chat import Cassette
from optuna_llm.chat import ChatModel
from optuna_llm.chat import Usage
from optuna_llm.chat import connect
from optuna_llm.chat import reported_usage
from optuna_llm.errors import CassetteMissError
from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import EmptyReplyError
from optuna_llm.errors import ModelError
from optuna_llm.errors import ModelSetupError
from tests.chat.conftest import HELLO
from tests.chat.conftest import SCHEMA
from tests.chat.conftest import Start
from tests.support.server import error
from tests.support.server import script


OTHER: Any = [{"role": "user", "content": "Something else."}]


def counting() -> Callable[[dict[str, Any]], str]:
    numbers = iter(range(100_000))
    return lambda request: f"answer {next(numbers)}"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "cassette.jsonl"


def test_what_was_recorded_is_replayed_in_order_without_a_server(start: Start, path: Path) -> None:
    model, server = start(counting(), api_key="canary-key-1", prices=(1.0, 1.0))
    recorder = Cassette(path).wrap(model)
    recorded = [
        recorder.complete(HELLO),
        recorder.complete(OTHER, schema=SCHEMA, max_output_tokens=9),
        recorder.complete(HELLO),
    ]
    assert [completion.text for completion in recorded] == ["answer 0", "answer 1", "answer 2"]
    server.__exit__(None, None, None)
    for again in (
        Cassette(path).wrap(model),
        Cassette(path, mode="replay").wrap(model),
        Cassette(path, mode="replay").wrap(None),
    ):
        assert again.name == "tiny"
        assert again.complete(OTHER, schema=SCHEMA, max_output_tokens=9) == recorded[1]
        assert again.complete(HELLO) == recorded[0]
        assert again.complete(HELLO) == recorded[2]
    assert "canary-key-1" not in path.read_text()


@pytest.mark.parametrize(
    "change",
    [
        {"messages": OTHER},
        {"schema": SCHEMA},
        {"max_output_tokens": 8},
        {"name": "other"},
        {"temperature": 0.3},
        {"extra_body": {"seed": 2}},
    ],
)
def test_another_request_is_a_miss(start: Start, path: Path, change: dict[str, Any]) -> None:
    model, server = start("ok", temperature=0.2, extra_body={"seed": 1})
    Cassette(path).wrap(model).complete(HELLO)
    options = {"temperature": 0.2, "extra_body": {"seed": 1}, **change}
    request = {k: options.pop(k) for k in ("schema", "max_output_tokens") if k in options}
    messages = options.pop("messages", HELLO)
    other = connect(options.pop("name", "tiny"), base_url=server.base_url, **options)
    with pytest.raises(CassetteMissError, match=r'cassette\.jsonl holds 0.*mode="auto"'):
        Cassette(path, mode="replay").wrap(other).complete(messages, **request)
    assert server.count == 1


def test_replay_ends_where_the_recording_ended(start: Start, path: Path) -> None:
    model, _ = start("ok")
    Cassette(path).wrap(model).complete(HELLO)
    replay = Cassette(path, mode="replay").wrap(model)
    replay.complete(HELLO)
    with pytest.raises(CassetteMissError, match=r"holds 1 .*number 2"):
        replay.complete(HELLO)


def test_auto_records_what_is_missing(start: Start, path: Path) -> None:
    model, server = start(counting())
    Cassette(path).wrap(model).complete(HELLO)
    auto = Cassette(path).wrap(model)
    texts = [auto.complete(HELLO).text, auto.complete(HELLO).text, auto.complete(OTHER).text]
    assert texts == ["answer 0", "answer 1", "answer 2"]
    assert server.count == 3
    replay = Cassette(path, mode="replay").wrap(model)
    assert [replay.complete(m).text for m in (HELLO, HELLO, OTHER)] == texts


def test_record_always_asks(start: Start, path: Path) -> None:
    model, server = start(counting())
    for _ in range(2):
        Cassette(path, mode="record").wrap(model).complete(HELLO)
    assert server.count == 2
    replay = Cassette(path, mode="replay").wrap(model)
    assert [replay.complete(HELLO).text for _ in range(2)] == ["answer 0", "answer 1"]


def test_failures_are_part_of_the_recording(start: Start, path: Path) -> None:
    usage = {"prompt_tokens": 10, "completion_tokens": 900}
    model, server = start(
        script({"content": "", "usage": usage}, error(500, "oops"), error(404, "x"), "ok")
    )
    recorder = Cassette(path, mode="record").wrap(model)
    for kind in (EmptyReplyError, ModelError, ModelSetupError):
        with pytest.raises(kind):
            recorder.complete(HELLO)
    recorder.complete(HELLO)
    replay = Cassette(path, mode="replay").wrap(model)
    with pytest.raises(EmptyReplyError, match="wrote nothing") as caught:
        replay.complete(HELLO)
    assert reported_usage(caught.value) == Usage(10, 900)
    with pytest.raises(ModelError, match="HTTP 500"):
        replay.complete(HELLO)
    assert replay.complete(HELLO).text == "ok"  # A wrong set-up says nothing of the model.
    # A failure is no reason not to ask again.
    assert Cassette(path).wrap(model).complete(HELLO).text == "ok"
    assert server.count == 4


def test_a_line_cut_short_is_left_out(
    start: Start, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    model, _ = start(counting())
    Cassette(path).wrap(model).complete(HELLO)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[: len(whole) // 2])
    resumed = Cassette(path).wrap(model)
    assert [resumed.complete(HELLO).text for _ in range(2)] == ["answer 0", "answer 1"]
    assert "cassette.jsonl:" in caplog.text
    replay = Cassette(path, mode="replay").wrap(model)
    assert [replay.complete(HELLO).text for _ in range(2)] == ["answer 0", "answer 1"]


def test_threads_share_a_cassette(start: Start, path: Path) -> None:
    model, _ = start(counting())
    recorder = Cassette(path).wrap(model)
    _in_threads(lambda: recorder.complete(HELLO))
    replay = Cassette(path, mode="replay").wrap(model)
    replayed: list[str] = []
    _in_threads(lambda: replayed.append(replay.complete(HELLO).text))
    assert sorted(replayed) == sorted(f"answer {number}" for number in range(20))


def _in_threads(work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _record(path: Path, worker: int, text: str) -> None:
    model = Cassette(path, mode="record").wrap(connect(lambda prompt: text, model_name="f"))
    for number in range(200):
        model.complete([{"role": "user", "content": f"{worker} {number}"}])


def test_processes_share_a_cassette(path: Path) -> None:
    text = "x" * 20_000  # Longer than any buffer.
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_record, args=(path, n, text)) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    lines = [json.loads(line) for line in path.read_bytes().splitlines() if line]
    assert len(lines) == 400
    replay = Cassette(path, mode="replay").wrap(None)
    assert replay.complete([{"role": "user", "content": "1 199"}]).text == text


def test_a_wrapped_model_can_be_pickled(start: Start, path: Path) -> None:
    model, _ = start("ok", api_key="canary-key-1")
    wrapped = Cassette(path).wrap(model)
    wrapped.complete(HELLO)
    pickled = pickle.dumps(wrapped)
    assert b"canary-key-1" not in pickled
    renewed = pickle.loads(pickled)
    assert isinstance(renewed, ChatModel)
    assert renewed.complete(HELLO).text == "ok"


def test_a_tilde_is_the_home_and_a_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    Cassette("~/search.jsonl").wrap(connect(lambda prompt: "ok")).complete(HELLO)
    assert [p.name for p in tmp_path.iterdir()] == ["search.jsonl"]
    with pytest.raises(ConfigurationError, match="is a folder"):
        Cassette(tmp_path)


def test_wrong_use_is_named(path: Path, start: Start) -> None:
    with pytest.raises(ConfigurationError, match="mode='play'"):
        Cassette(path, mode="play")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match=r"model=None.*'auto'"):
        Cassette(path).wrap(None)
    with pytest.raises(CassetteMissError, match=r"no file .*cassette\.jsonl"):
        Cassette(path, mode="replay").wrap(None)
    for name in ("one", "two"):
        Cassette(path).wrap(connect(lambda prompt: prompt, model_name=name)).complete(HELLO)
    with pytest.raises(ConfigurationError, match="holds 2"):
        Cassette(path, mode="replay").wrap(None)


def test_log_probabilities_are_recorded_and_asked_for_apart(start: Start, path: Path) -> None:
    entry = {"token": "1", "logprob": -0.1, "top_logprobs": [{"token": "1", "logprob": -0.1}]}
    answer = {"content": "1", "logprobs": {"content": [entry]}}
    chat, server = start(lambda request: answer if "logprobs" in request else "0")
    model = Cassette(path, "record").wrap(chat)
    asked = model.complete(HELLO, top_logprobs=3)
    plain = model.complete(HELLO)
    assert server.requests[0].json["top_logprobs"] == 3
    assert "logprobs" not in server.requests[1].json
    assert asked.tokens[0].alternatives == (("1", -0.1),)
    assert plain.tokens == ()
    replayed = Cassette(path, "replay").wrap(None)
    assert replayed.complete(HELLO, top_logprobs=3) == asked
    assert replayed.complete(HELLO) == plain


def test_a_lock_that_was_held_during_a_fork_is_free_in_the_child(path: Path) -> None:
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system has no fork")
    context = multiprocessing.get_context("fork")
    cassette = Cassette(path)
    model = cassette.wrap(connect(lambda prompt: "ok", model_name="f"))
    answers = context.SimpleQueue()
    child = context.Process(target=lambda: answers.put(model.complete(HELLO).text), daemon=True)
    with cassette._here():
        child.start()
    child.join(60)
    assert child.exitcode == 0
    assert answers.get() == "ok"
