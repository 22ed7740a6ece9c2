"""Ctrl-C stops a command at its next yield, with exit code 130."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.library import open_services
from tests.pictures import save_pictures

_CHILD = """
import sys, time
from desktop_app.cli.app import main
from desktop_app.jobs.services import Services
from tests.tiny_embedder import TinyEmbedder

class Slow(TinyEmbedder):
    def embed_prepared(self, batch):
        time.sleep(0.15)
        return super().embed_prepared(batch)

Services._load_embedder = lambda self, name: Slow(name)
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_during_index_keeps_what_was_stored(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    save_pictures(photos, 320)
    arguments = [
        "index",
        str(photos),
        "--library",
        str(tmp_path / "library"),
        "--data",
        str(tmp_path),
        "--json",
    ]
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    with child:
        until = time.monotonic() + 20
        while not list((tmp_path / "library").glob("vectors/*/*.f16")) and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(0.2)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=20)
    assert child.returncode == 130, err
    assert json.loads(out)["error"] == "Cancelled."
    assert "Traceback" not in err
    services = open_services(tmp_path, encoder="contrastive_photo.builtin")
    assert 0 < services.vectors.count < 320
    services.close()
