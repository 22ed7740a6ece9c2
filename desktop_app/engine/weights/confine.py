"""Ties the hands of a process before it opens a file of a stranger.

The reader of such files runs nothing of them; this is the second wall, should the first one have a
hole: no network, no other programs, no writing but below one folder, limited memory.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

OUT_OF_MEMORY_EXIT = 86

_WATCH_INTERVAL_S = 0.05
# Audit events (Python documentation, "Audit events table") that reading weights never raises.
_FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.spawn",
    "os.startfile",
    "os.fork",
    "pty.",
    "os.remove",
    "os.rename",
    "os.link",
    "os.symlink",
    "os.rmdir",
    "os.chmod",
    "os.chown",
    "os.chflags",
    "os.truncate",
    "os.kill",
    "os.setxattr",
    "shutil.",
    "webbrowser.",
    "urllib.",
    "http.",
    "ftplib.",
    "smtplib.",
    "pickle.find_class",
    "winreg.",
    "_winapi.CreateProcess",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(BaseException):
    """Something tried what a reader of weights must not do; no handler in between shall stop it."""


def forbid(folder: Path) -> None:
    """From now on: no network, no programs, no writing but below `folder`. Cannot be undone."""
    allowed = str(folder.resolve()) + os.sep

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open":
            _check_open(arguments, allowed)
        elif event.startswith(_FORBIDDEN):
            raise Forbidden(event)

    sys.dont_write_bytecode = True  # importing a library late must not want to write its cache
    sys.addaudithook(hook)


def _check_open(arguments: tuple[object, ...], allowed: str) -> None:
    path, mode, flags = arguments
    writes = isinstance(flags, int) and bool(flags & _WRITING)
    if isinstance(mode, str) and not writes:
        writes = any(letter in mode for letter in "wax+")
    if not writes or isinstance(path, int):
        return
    place = os.fsdecode(path) if isinstance(path, (str, bytes)) else ""
    if place != os.devnull and not os.path.realpath(place).startswith(allowed):
        raise Forbidden(f"open {place}")


def limit_memory(extra_bytes: int) -> None:
    """Allow that much memory beyond what the process has now.

    Where the system has no such limit (Windows, macOS), a thread watches the peak and ends the process
    with `OUT_OF_MEMORY_EXIT`.
    """
    if sys.platform == "linux":
        import resource

        limit = _address_space() + extra_bytes
        _soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if hard != resource.RLIM_INFINITY:
            limit = min(limit, hard)
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        return
    watcher = threading.Thread(
        target=_watch, args=(peak_bytes() + extra_bytes,), name="memory watch", daemon=True
    )
    watcher.start()


def limit_file_size(largest_bytes: int) -> None:
    """No file may grow beyond that; without effect on Windows."""
    if sys.platform != "win32":
        import resource
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # writing then fails with an ordinary error
        _soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        if hard != resource.RLIM_INFINITY:
            largest_bytes = min(largest_bytes, hard)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_bytes, largest_bytes))


def peak_bytes() -> int:
    """Largest resident memory of this process so far; 0 where it cannot be told."""
    if sys.platform == "win32":
        return _windows_peak()
    if sys.platform == "linux":
        # Not `ru_maxrss`: a new process inherits that of the one that started it.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _watch(limit: int) -> None:
    while peak_bytes() <= limit:
        time.sleep(_WATCH_INTERVAL_S)
    os._exit(OUT_OF_MEMORY_EXIT)


def _windows_peak() -> int:
    import ctypes

    class Counters(ctypes.Structure):
        _fields_ = [
            ("size", ctypes.c_uint32),
            ("faults", ctypes.c_uint32),
            *((f"field{n}", ctypes.c_size_t) for n in range(8)),
        ]

    counters = Counters()
    counters.size = ctypes.sizeof(counters)
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    process = ctypes.c_void_p(kernel.GetCurrentProcess())
    if not kernel.K32GetProcessMemoryInfo(process, ctypes.byref(counters), counters.size):
        return 0
    return int(counters.field0)
