"""Stand-ins for the process that opens a stranger's file; light, since each is started anew."""

from __future__ import annotations

import json
import os
import time
from multiprocessing.connection import Connection

from desktop_app.engine.weights.child import ImportOrder


def dies(order: ImportOrder, connection: Connection) -> None:
    """Ends as by a crash."""
    (order.folder / "model.safetensors").write_bytes(b"half")
    os._exit(3)


def hangs(order: ImportOrder, connection: Connection) -> None:
    """Never answers."""
    (order.folder / "model.safetensors").write_bytes(b"half")
    connection.send_bytes(json.dumps({"progress": 1, "total": 2, "text": os.getpid()}).encode())
    time.sleep(600)


def babbles(order: ImportOrder, connection: Connection) -> None:
    """Answers what is no answer."""
    connection.send_bytes(b"\x80\x04cposix\nsystem\n.")


def lies(order: ImportOrder, connection: Connection) -> None:
    """Says that it is done, and has written something else."""
    (order.folder / "model.safetensors").write_bytes(b"short")
    done = {
        "role": "generator", "architecture": "stylegan2", "stem": "stylegan2", "tag": "", "title": "x",
        "config": {}, "facts": {}, "notes": [], "sha256": "0", "bytes": 1_000_000,
    }  # fmt: skip
    connection.send_bytes(json.dumps({"done": done, "source": "0"}).encode())


def succeeds(order: ImportOrder, connection: Connection) -> None:
    """Writes something small and says so."""
    (order.folder / "model.safetensors").write_bytes(b"weights")
    done = {
        "role": "generator", "architecture": "stylegan2", "stem": "stylegan2", "tag": "", "title": "x",
        "config": {}, "facts": {}, "notes": ["a note"], "sha256": "0" * 64, "bytes": 7, "peak_bytes": 5,
    }  # fmt: skip
    connection.send_bytes(json.dumps({"progress": 7, "total": 7, "text": "Writing"}).encode())
    connection.send_bytes(json.dumps({"done": done, "source": "1" * 64}).encode())
