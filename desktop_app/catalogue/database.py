"""The connection to a library's database: WAL, error translation, transactions, migrations."""

from __future__ import annotations

import contextlib
import errno
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from desktop_app.catalogue.schema import APPLICATION_ID, SCHEMA_VERSION, STEPS
from desktop_app.core.errors import AppError, CatalogueError, ResourceError, display_path

_log = logging.getLogger(__name__)

DATABASE_NAME = "library.db"
_BUSY_TIMEOUT_S = 5.0
_DISK_FULL_HINT = "Free some space and try again; what was reported as indexed is safe."


def open_database(folder: Path) -> sqlite3.Connection:
    """Open, or make, the database of a library, at the program's schema version.

    Raises:
        CatalogueError: The file is damaged, newer than the program or not ours.
        ResourceError: The folder or the file cannot be written.
    """
    file = folder / DATABASE_NAME
    with translated_errors(file):
        folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(file, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        try:
            _prepare(connection, file)
        except BaseException:
            connection.close()
            raise
    return connection


@contextlib.contextmanager
def translated_errors(file: Path) -> Iterator[None]:
    """Turn errors of SQLite and of the operating system into ours.

    Raises:
        CatalogueError: The database is damaged.
        ResourceError: Disk full, read-only, locked or not readable.
    """
    try:
        yield
    except sqlite3.Error as error:
        raise _translated(error, file) from error
    except OSError as error:
        raise disk_error(error, f"The library in {display_path(file.parent)} cannot be written") from error


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection, file: Path) -> Iterator[sqlite3.Connection]:
    """Write everything inside the block, or nothing; errors are translated."""
    with translated_errors(file):
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            raise


def disk_error(error: OSError, what: str) -> ResourceError:
    """An operating system error as ours; `what` is a sentence without its full stop."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return ResourceError(f"{what}: the disk is full.", _DISK_FULL_HINT)
    return ResourceError(
        f"{what}: {error.strerror or error}.", "Check the disk and your rights to that folder."
    )


def check_integrity(connection: sqlite3.Connection, file: Path) -> None:
    """Look for damage inside the database file.

    Raises:
        CatalogueError: There is some.
    """
    with translated_errors(file):
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()
    if answer is None or answer[0] != "ok":
        raise _damaged(file)


def _prepare(connection: sqlite3.Connection, file: Path) -> None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    is_empty = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
    if not is_empty and application != APPLICATION_ID:
        raise CatalogueError(
            f"{display_path(file)} is a database of another program.", "Choose another library folder."
        )
    if version > SCHEMA_VERSION:
        raise CatalogueError(
            f"The library in {display_path(file.parent)} was made by a newer version of Contrastyle "
            f"(format {version}, this program knows up to {SCHEMA_VERSION}).",
            "Update the program, or choose another library folder.",
        )
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -32000")
    if version < SCHEMA_VERSION:
        _migrate(connection, file)


def _migrate(connection: sqlite3.Connection, file: Path) -> None:
    """Apply the missing steps in one transaction, after a backup of a library that has content."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another program may have migrated while this one waited for the lock.
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if 0 < version < SCHEMA_VERSION:
            _back_up(file, version)
        for number in range(version, SCHEMA_VERSION):
            _log.info("library format %d -> %d", number, number + 1)
            for statement in _statements(STEPS[number]):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {max(version, SCHEMA_VERSION)}")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _back_up(file: Path, version: int) -> None:
    """Copy the database beside itself, through SQLite, so that the copy is whole."""
    target = file.with_name(f"{file.stem}.format-{version}.backup.db")
    target.unlink(missing_ok=True)
    with (
        contextlib.closing(sqlite3.connect(file)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
    _log.info("the library was backed up before its format changes")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script, so that they can run inside our own transaction."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if statement.strip():
        yield statement


def _translated(error: sqlite3.Error, file: Path) -> AppError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    where = display_path(file.parent)
    if code == sqlite3.SQLITE_FULL:
        return ResourceError(f"The library in {where} cannot be written: the disk is full.", _DISK_FULL_HINT)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return ResourceError(
            f"The library in {where} is in use by another program.", "Wait until it is done and try again."
        )
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
        return ResourceError(
            f"The library in {where} cannot be opened or written.", "Check your rights to that folder."
        )
    if code == sqlite3.SQLITE_IOERR:
        return ResourceError(f"The disk with the library in {where} reports an error.", "Check the disk.")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(file)
    return CatalogueError(
        f"The library in {where} cannot be used: {error}.", "Choose another library folder."
    )


def _damaged(file: Path) -> CatalogueError:
    return CatalogueError(
        f"The library file {display_path(file)} is damaged.",
        "Move it away and index again: your photos are not touched, the library is built anew.",
    )
