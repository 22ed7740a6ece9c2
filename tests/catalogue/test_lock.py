"""One writer a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from desktop_app.catalogue.lock import WriterLock
from desktop_app.core.errors import CatalogueError, ResourceError

_HOLD = """
import sys
from pathlib import Path
from desktop_app.catalogue.lock import WriterLock
lock = WriterLock(Path(sys.argv[1]))
lock.acquire()
print("held", flush=True)
sys.stdin.read()
"""


def test_another_program_is_told_who_holds_it_and_gets_it_after_a_kill(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdout.readline().strip() == "held"
        lock = WriterLock(tmp_path)
        with pytest.raises(CatalogueError, match=rf"another running Contrastyle \(process {holder.pid}\)"):
            lock.acquire()
        holder.kill()
        holder.wait()
    lock.acquire()
    assert lock.is_held
    lock.release()


def test_second_job_of_the_same_program_is_refused(tmp_path: Path) -> None:
    lock = WriterLock(tmp_path)
    lock.acquire()
    with pytest.raises(CatalogueError, match="another job"):
        lock.acquire()
    lock.release()
    lock.release()
    lock.acquire()
    lock.release()


def test_lock_that_cannot_be_written_is_a_resource_error(tmp_path: Path) -> None:
    with pytest.raises(ResourceError):
        WriterLock(tmp_path / "nowhere").acquire()
