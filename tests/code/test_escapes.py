"""Attempts to get out of the sandbox, each on this machine, and what its caller hears of them."""

from __future__ import annotations

from collections.abc import Iterator
import errno
import math
import os
from pathlib import Path
import platform
import socket
import subprocess
import sys
import textwrap

import pytest

from optuna_llm.code.sandbox.probe import sandbox_level
from optuna_llm.code.sandbox.process import Sandbox
from optuna_llm.errors import SandboxError
from tests.code.attempts import ISOLATION
from tests.code.attempts import PATIENCE
from tests.code.attempts import attempt
from tests.code.attempts import locked
from tests.code.attempts import refused


# ---- the network


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


def assert_nobody_came(server: socket.socket) -> None:
    with pytest.raises(BlockingIOError):
        server.accept()


@locked
@pytest.mark.parametrize(
    "family", ["AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK", "AF_PACKET", "AF_VSOCK"]
)
def test_no_socket(family: str) -> None:
    body = f"import socket\nsocket.socket(socket.{family}, socket.SOCK_STREAM)"
    refused(body, "PermissionError|OSError|AttributeError", imports=("socket",))


@locked
def test_no_connection(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    body = f"import socket\nsocket.socket().connect(('127.0.0.1', {port}))"
    refused(body, "PermissionError", imports=("socket",))
    assert_nobody_came(listener)


# ---- files


@locked
@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/1/environ", "/dev/null", sys.executable])
def test_no_file_is_read(path: str) -> None:
    refused(f"return open({path!r}, 'rb').read(9)", "FileNotFoundError|PermissionError")


@locked
def test_no_file_is_written(tmp_path: Path) -> None:
    refused(f"open({str(tmp_path / 'x')!r}, 'w').write('x')", "FileNotFoundError")
    assert attempt("open('/x', 'w').write('x')\nimport os\nreturn os.listdir('/')") == ["x"]
    assert list(tmp_path.iterdir()) == []


@locked
def test_no_way_up() -> None:
    climb = "import os\nos.chdir('../../../..')\nreturn os.listdir('.')"
    assert attempt(climb) == []
    refused("import os\nos.mkdir('a')\nos.chroot('a')", "PermissionError")


@locked
def test_files_are_bounded() -> None:
    refused("open('/x', 'wb').write(b'x' * (1 << 25))", "OSError: .*File too large")
    many = """
    for number in range(40):
        open(f'/{number}', 'wb').write(b'x' * (1 << 20))
    """
    refused(many, "OSError: .*No space left")


# ---- environment, processes, memory


@locked
def test_an_empty_world(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary")
    found = attempt(
        "import os, sys\nreturn [dict(os.environ), os.getpid(), os.getppid(), sys.path]"
    )
    assert found == [{}, 1, 0, []]


@locked
def test_no_other_process() -> None:
    before = os.getpid()
    for target in ("os.getppid()", "1", "-1", str(before)):
        refused(f"import os\nos.kill({target}, 9)", "PermissionError|ProcessLookupError")
    trace = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(8)
    part = (ctypes.c_size_t * 2)(ctypes.addressof(buffer), 8)
    results = [libc.ptrace(16, args, 0, 0) for args in (1, 2)]
    results.append(libc.process_vm_readv(1, part, 1, part, 1, 0))
    return results
    """
    assert attempt(trace, imports=("ctypes",)) == [-1, -1, -1]


@locked
@pytest.mark.parametrize("step", ["os.fork()", "os.posix_spawn('/bin/sh', ['sh'], {})"])
def test_no_new_process(step: str) -> None:
    refused(f"import os\nwhile True: {step}", "PermissionError")


@locked
def test_no_thread_outlives_a_call() -> None:
    refused("import _thread\n_thread.start_new_thread(print, ())", "can't start new thread")


@locked
def test_no_way_back_out_by_system_calls() -> None:
    escape = """
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    steps = (libc.unshare(0x10000000), libc.setns(0, 0), libc.mount(None, b'/', None, 32, None))
    return [*steps, libc.setuid(1), libc.memfd_create(b'x', 0)]
    """
    assert attempt(escape, imports=("ctypes",)) == [-1] * 5


def test_memory_is_bounded() -> None:
    refused("return len(bytearray(1 << 32))", "MemoryError", trust="limits")
    grow = "held = []\nwhile True: held.append(bytearray(1 << 24))"
    refused(grow, "MemoryError|died", memory=64, trust="limits")


@locked
def test_no_descriptor_is_of_anything_outside() -> None:
    """A device of the machine is a file whose mode root could change, also from in here."""
    look = """
    import os, stat
    found = {}
    for number in range(64):
        try:
            found[str(number)] = stat.S_ISFIFO(os.fstat(number).st_mode)
        except OSError:
            pass
    return found
    """
    pipes = attempt(look)
    assert len(pipes) == 5
    assert all(pipes.values())


@locked
@pytest.mark.skipif(platform.machine() != "x86_64", reason="numbers of calls on x86-64")
def test_calls_that_are_refused_by_number() -> None:
    calls = {
        "clone3": 435,
        "execveat": 322,
        "fork": 57,
        "io_uring_setup": 425,
        "keyctl": 250,
        "memfd_create": 319,
        "memfd_secret": 447,
        "perf_event_open": 298,
        "prctl": 157,
        "ptrace": 101,
        "setsid": 112,
        "shmget": 29,
        "socketpair": 53,
        "tgkill": 234,
        "userfaultfd": 323,
    }
    body = f"""
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    return [[libc.syscall(n, 0, 0, 0, 0, 0), ctypes.get_errno()] for n in {[*calls.values()]}]
    """
    found = attempt(body, imports=("ctypes",))
    assert dict(zip(calls, found, strict=True)) == {name: [-1, errno.EPERM] for name in calls}


@locked
@pytest.mark.skipif(platform.machine() != "x86_64", reason="machine code of x86-64")
def test_no_call_by_the_old_convention() -> None:
    """The numbers of 32-bit calls, which the filter would take for others: getpid by int 0x80."""
    body = r"""
    import ctypes, mmap
    page = mmap.mmap(-1, 4096, prot=7)
    page.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
    place = ctypes.addressof(ctypes.c_char.from_buffer(page))
    return ctypes.CFUNCTYPE(ctypes.c_int)(place)()
    """
    refused(body, "its process has died", imports=("ctypes", "mmap"))


# ---- time, output, recursion, crashes


@pytest.mark.parametrize(
    "loop",
    [
        "while True: pass",
        "import time\ntime.sleep(1e6)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
    ],
)
def test_no_endless_loop(loop: str) -> None:
    refused(loop, "took longer than 0.3 s", seconds=0.3, trust="limits")


def test_what_is_printed_goes_nowhere() -> None:
    assert attempt("print('x' * 10_000_000)\nreturn 1", trust="limits") == 1


def test_a_huge_answer_is_refused() -> None:
    refused("return 'x' * 2_000_000", "longer than 1 MiB", max_answer=1, trust="limits")


def test_recursion_and_crashes() -> None:
    refused("return f()", "NameError|RecursionError", trust="limits")
    with (
        Sandbox("def f(): return f()", "f", trust="limits", seconds=PATIENCE) as sandbox,
        pytest.raises(SandboxError, match="RecursionError"),
    ):
        sandbox()
    crash = "import ctypes\nctypes.string_at(0)"
    refused(crash, "its process has died", imports=("ctypes",), trust="limits")
    refused("import os\nos._exit(0)", "its process has died", trust="limits")


# ---- the channel


def test_no_object_comes_out() -> None:
    body = """
    class Bomb:
        def __reduce__(self):
            return eval, ('1/0',)
    return [Bomb()]
    """
    refused(body, "TypeError: a Bomb cannot pass", trust="limits")
    liar = """
    class Text(str):
        pass
    return Text('x')
    """
    refused(liar, "TypeError: a Text cannot pass", trust="limits")


@pytest.mark.parametrize(
    "line",
    [
        b"garbage\\n",
        b'{"id": 0, "value": 1}\\n',
        b'{"id": 2}\\n',
        b'{"id": 2, "value": {"__array__": "O", "shape": [1], "data": [1]}}\\n',
        b'{"id": 2, "value": {"__array__": "f8", "shape": [9], "data": [1]}}\\n',
        b'{"id": 2, "error": {"nested": 1}}\\n',
        b"[" + b"[" * 100_000 + b"\\n",
        b"1" * 10_000 + b"\\n",
    ],
)
def test_writing_to_inherited_descriptors(line: bytes) -> None:
    body = f"""
    import os
    for descriptor in range(64):
        try:
            os.write(descriptor, {line!r}.replace(b'\\\\n', b'\\n'))
        except OSError:
            pass
    return 1
    """
    refused(body, "its answer|it raised", trust="limits")


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ("float('inf')", math.inf),
        ("10**4000", 10**4000),
        ("'\\ud800 \\x00'", "\ud800 \x00"),
        ("True", True),
        ("[(1, 'a')]", [[1, "a"]]),
    ],
)
def test_odd_values_come_out_as_they_are(value: str, same: object) -> None:
    assert attempt(f"return {value}", trust="limits") == same


@pytest.mark.parametrize(
    "value", ["10**5000", "type('Count', (int,), {})(1)", "{1: 2}", "{'__array__': 'f8'}", "f"]
)
def test_what_cannot_pass_is_said(value: str) -> None:
    refused(f"return {value}", "it raised", trust="limits")


def test_what_is_raised_is_quoted_on_one_line() -> None:
    refused("raise ValueError('a\\nb' + 'c' * 9999)", "ValueError: a b", trust="limits")
    body = """
    class Odd(Exception):
        def __str__(self):
            raise SystemExit
    raise Odd
    """
    refused(body, "it raised Odd", trust="limits")
    refused("raise SystemExit(0)", "it raised SystemExit", trust="limits")
    odd = "raise ValueError('\\ud800\\x1b[2J\\u202e.')"
    with pytest.raises(SandboxError) as raised:
        attempt(odd, trust="limits")
    assert str(raised.value).isprintable()
    liar = """
    class Kind(type):
        __name__ = property(lambda self: 1 / 0)
    raise Kind('Odd', (Exception,), {})
    """
    refused(liar, "its process has died", trust="limits")


def test_attribute_walks_find_nothing_to_use() -> None:
    walk = """
    found = [c for c in ().__class__.__base__.__subclasses__() if c.__name__ == '_wrap_close']
    return found[0].__init__.__globals__['listdir']('/')
    """
    if sandbox_level() in ("namespaces", "landlock"):
        assert attempt(walk) == []


@locked
def test_namespaces_alone_keep_everything_out(listener: socket.socket, tmp_path: Path) -> None:
    """Without Landlock and without the filter of system calls."""
    code = f"""
    import importlib.util, os, socket
    spec = importlib.util.spec_from_file_location("isolation", {str(ISOLATION)!r})
    isolation = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(isolation)
    isolation.enter_namespaces()
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    isolation.empty_root({str(tmp_path)!r}, 1 << 20)
    isolation.drop_capabilities()
    for family, place in ((2, ("127.0.0.1", {listener.getsockname()[1]})), (10, ("::1", 9))):
        try:
            socket.socket(family).connect(place)
        except OSError as error:
            print(error.strerror)
    print(os.listdir("/"), os.getpid(), os.getppid())
    for step in (lambda: os.chroot("/"), lambda: os.kill({os.getpid()}, 0)):
        try:
            step()
        except OSError as error:
            print(type(error).__name__)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert done.stdout.splitlines() == [
        "Network is unreachable",
        "Cannot assign requested address",
        "[] 1 0",
        "PermissionError",
        "ProcessLookupError",
    ], done.stderr
    assert_nobody_came(listener)
