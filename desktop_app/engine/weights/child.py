"""The process that opens a stranger's file: confined, and the only one that looks inside.

It answers with JSON text through a pipe (nothing is unpickled on the other side) and writes into one
temporary folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from desktop_app.engine.weights.confine import forbid, limit_file_size, limit_memory, peak_bytes
from desktop_app.engine.weights.import_container import Content, read_content
from desktop_app.engine.weights.import_values import ImportRefused
from desktop_app.engine.weights.recognise import recognise

if TYPE_CHECKING:
    from desktop_app.engine.weights.converted import Converted

WEIGHTS_NAME = "model.safetensors"
LOG_NAME = "child.log"

_MB = 1 << 20
_READ_CHUNK = 1 << 22
# The file is mapped: what was written already need not stay in memory.
_RELEASE_EVERY = 64 * _MB
# Beside the mapped file: PyTorch's own work, one tensor at a time and its checked copy.
WORK_BYTES = 1536 * _MB
LARGEST_GROWTH = 4  # half-precision files double; nothing published grows more

Report = Callable[[dict[str, object]], None]


@dataclass(frozen=True, slots=True)
class ImportOrder:
    """What the child has to do.

    Attributes:
        file: The stranger's file.
        folder: Where to write; exists and is empty.
        label: The file's own name without ending, for what has no other name.
        known: SHA-256 of files that were imported before, and the names of their models.
    """

    file: Path
    folder: Path
    label: str
    known: dict[str, str] = field(default_factory=dict)


def run_child(order: ImportOrder, connection: Connection) -> None:
    """Entry of the process; sends progress and one ending, `done` or `refused`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this process
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    log = (order.folder / LOG_NAME).open("w", encoding="utf-8")
    sys.stderr = log

    def report(message: dict[str, object]) -> None:
        connection.send_bytes(json.dumps(message).encode())

    try:
        report(import_confined(order, report))
    except ImportRefused as refused:
        report({"refused": refused.reason, "hint": refused.hint})
    except MemoryError:
        report(_too_much_memory())
    except RuntimeError as error:
        if "allocate memory" not in str(error) and "not enough memory" not in str(error):
            raise
        report(_too_much_memory())
    except OSError as error:
        report({"failed": error.strerror or str(error), "errno": error.errno})
    finally:
        log.flush()
        connection.close()


def _too_much_memory() -> dict[str, object]:
    return {"refused": "needs more memory than a weights file of its size may", "hint": ""}


def import_confined(order: ImportOrder, report: Report) -> dict[str, object]:
    """Confine this process, then import; for a process of its own only.

    Raises:
        ImportRefused: The file cannot be imported.
    """
    digest = file_digest(order.file)
    if digest in order.known:
        raise ImportRefused(f"is there already, as the model '{order.known[digest]}'")
    # PyTorch starts programs and opens libraries when it is loaded: before the hands are tied.
    import desktop_app.engine.weights.converters  # noqa: F401

    size = order.file.stat().st_size
    limit_file_size(LARGEST_GROWTH * size + 64 * _MB)
    limit_memory(WORK_BYTES + size)
    forbid(order.folder)
    report({"progress": 0, "total": size, "text": "Checking the networks"})
    return convert_content(read_content(order.file), order, report, digest=digest)


def convert_content(
    content: Content, order: ImportOrder, report: Report, *, digest: str
) -> dict[str, object]:
    """Recognise, compare with the network, write.

    Returns:
        The `done` message: everything the card needs but its final name.

    Raises:
        ImportRefused: The file cannot be imported.
    """
    from desktop_app.engine.weights.converters import convert
    from desktop_app.engine.weights.import_writer import write_safetensors

    converted = convert(recognise(content), label=order.label)

    released = 0

    def on_part(done: int, total: int) -> None:
        nonlocal released
        if done - released >= _RELEASE_EVERY:
            content.release()
            released = done
        report({"progress": done, "total": total, "text": "Writing the weights"})

    written = write_safetensors(order.folder / WEIGHTS_NAME, converted.tensors, on_part=on_part)
    return {"done": _card_fields(converted, sha256=written.sha256, size=written.bytes), "source": digest}


def _card_fields(converted: Converted, *, sha256: str, size: int) -> dict[str, object]:
    return {
        "role": converted.role,
        "architecture": converted.architecture,
        "stem": converted.stem,
        "tag": converted.tag,
        "title": converted.title,
        "config": converted.config,
        "facts": converted.facts,
        "notes": list(converted.notes),
        "sha256": sha256,
        "bytes": size,
        "peak_bytes": peak_bytes(),
    }


def file_digest(file: Path) -> str:
    """SHA-256 of a file, as hexadecimal text (the store's function would load PyTorch)."""
    digest = hashlib.sha256()
    with file.open("rb") as handle:
        while chunk := handle.read(_READ_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
