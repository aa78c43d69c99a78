"""Stored studies, opened by the address of their storage; a missing one is never created."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
import time
from typing import TYPE_CHECKING

from optuna_llm.errors import ConfigurationError
from optuna_llm.errors import StorageError
from optuna_llm.errors import redact


if TYPE_CHECKING:
    from collections.abc import Iterator

    from optuna import Study
    from optuna.storages import BaseStorage
    from optuna.storages import RDBStorage


# Seconds for which SQLite waits for another process that writes.
_BUSY_SECONDS = 60.0
# How often tables are looked for again that others create at the same moment, and how soon.
_TRIES, _PAUSE_SECONDS = 5, 0.2
# How the file of a journal that is not there yet is told from a typing error.
_JOURNALS = (".journal", ".jsonl", ".log")


def load_study(storage: str | BaseStorage, name: str) -> Study:
    """Load a stored study, without creating a database that is not there.

    Args:
        storage: Its URL, the path of a journal or of SQLite's file, or what holds the study.
        name: Name of the study.

    Raises:
        ConfigurationError: The storage cannot be opened or holds no such study.
    """
    import optuna

    is_url = isinstance(storage, str)
    opened = open_storage(storage, must_exist=True) if isinstance(storage, str) else storage
    names = optuna.get_all_study_names(opened)
    if name not in names:
        known = ", ".join(map(repr, names)) or "none"
        place = repr(redact(str(storage))) if is_url else "the storage"
        raise ConfigurationError(f"study={name!r} is not in {place}; the studies there: {known}.")
    return optuna.load_study(study_name=name, storage=opened)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn what a storage raises that is there, but does not answer, into a StorageError."""
    from optuna.exceptions import StorageInternalError
    import sqlalchemy

    try:
        yield
    except (StorageInternalError, sqlalchemy.exc.OperationalError) as error:
        cause = error.__cause__ or error
        reason = redact(next(iter(str(cause).splitlines()), type(cause).__name__))
        raise StorageError(
            f"The storage does not answer ({reason}); give the same command again"
        ) from error


def open_storage(url: str, *, must_exist: bool = False) -> BaseStorage:
    """Open a storage by its URL.

    Raises:
        ConfigurationError: It cannot be opened, or is a file that must exist and does not. A
            password in the URL is not shown.
    """
    from optuna.storages import JournalStorage
    from optuna.storages import RDBStorage
    from optuna.storages.journal import JournalFileBackend
    import sqlalchemy

    shown = redact(url)
    try:
        if "://" not in url and not must_exist and Path(url).suffix in _JOURNALS:
            return JournalStorage(JournalFileBackend(url))
        if "://" not in url and Path(url).is_file():
            with open(url, "rb") as file:
                head = file.read(15)
            if not head or head.startswith(b"{"):
                return JournalStorage(JournalFileBackend(url))
            if head != b"SQLite format 3":
                raise ConfigurationError(f"storage={shown!r} is neither a journal nor SQLite's.")
            url = f"sqlite:///{url}"
        parsed = sqlalchemy.make_url(url)
        is_file = parsed.get_backend_name() == "sqlite" and bool(parsed.database)
        if must_exist and is_file and not Path(str(parsed.database)).is_file():
            raise ConfigurationError(
                f"storage={shown!r}: there is no file {parsed.database!r}; mend the path, or"
                " create a study with 'optuna-llm new'."
            )
        # A moment in which many workers write is waited for.
        wait = {"timeout": _BUSY_SECONDS} if parsed.get_backend_name() == "sqlite" else {}
        for _ in range(_TRIES):
            try:
                return _exclusive(RDBStorage(url, engine_kwargs={"connect_args": wait}))
            except sqlalchemy.exc.DBAPIError as error:
                # Another process has just created what this one was about to create.
                is_there = "already exists" in str(error)
                if not is_there and not isinstance(error, sqlalchemy.exc.IntegrityError):
                    raise
                time.sleep(_PAUSE_SECONDS)
        return _exclusive(RDBStorage(url, engine_kwargs={"connect_args": wait}))
    except ConfigurationError:
        raise
    # What a broken journal raises is anything; RuntimeError is Optuna's for a database of another
    # version, ValueError SQLAlchemy's for a port that is none.
    except (
        sqlalchemy.exc.SQLAlchemyError,
        ImportError,
        OSError,
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
    ) as error:
        reason = redact(next(iter(str(error).splitlines()), type(error).__name__))
        raise ConfigurationError(
            f"storage={shown!r} cannot be opened ({reason}); give a URL such as"
            " sqlite:///study.db, or the file of a journal."
        ) from None


def _exclusive(storage: RDBStorage) -> RDBStorage:
    """Let SQLite begin its transactions as other databases do: what was read stays so.

    Otherwise two processes that both find a trial running would both end it.
    """
    import sqlalchemy

    if storage.engine.dialect.name == "sqlite":

        @sqlalchemy.event.listens_for(storage.engine, "begin")
        def begin(connection: sqlalchemy.Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return storage
