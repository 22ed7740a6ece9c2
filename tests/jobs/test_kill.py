"""Kill -9 in the middle of an index run loses nothing that was reported."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from desktop_app.core.types import PageRequest, PhotoState
from tests.library import index, open_services
from tests.pictures import save_pictures

_CHILD = """
import sys
from pathlib import Path
from desktop_app.core.types import IndexRequest, PhotoBatch
from desktop_app.jobs import index_photos
from tests.library import open_services
services = open_services(Path(sys.argv[1]))
print("open", flush=True)
for message in index_photos.run(IndexRequest((Path(sys.argv[2]),)), services):
    if isinstance(message, PhotoBatch):
        for row in message.rows:
            print(row.photo_id, row.path.name, flush=True)
print("end", flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs kill -9")
def test_killed_again_and_again_loses_nothing_that_was_reported(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    save_pictures(photos, 240)
    chance = random.Random(5)
    reported: dict[str, int] = {}
    hits = 0
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", _CHILD, str(tmp_path), str(photos)], stdout=subprocess.PIPE, text=True
        )
        with child:
            assert child.stdout is not None and child.stdout.readline() == "open\n"
            # Somewhere in a batch: after some reports, and a moment more.
            lines = [child.stdout.readline() for _ in range(chance.randrange(0, 30))]
            time.sleep(chance.uniform(0.0, 0.02))
            child.send_signal(signal.SIGKILL)
            lines = "".join([*lines, child.stdout.read()]).splitlines()
        if "end" in lines:
            break
        hits += len(lines) > 1
        # The last line may be cut by the kill.
        for line in lines[:-1]:
            photo_id, name = line.split()
            reported[name] = int(photo_id)
        services = open_services(tmp_path)
        services.catalogue.check_integrity()
        rows = services.catalogue.photos.by_ids(list(reported.values()))
        for name, photo_id in reported.items():
            row = rows[photo_id]
            assert row.path.name == name and row.state is PhotoState.INDEXED
            assert row.thumbnail is not None and row.thumbnail.is_file()
            assert services.vectors.vector_of(photo_id) is not None
        services.close()
    assert hits >= 3, "the run was hardly ever hit in the middle"
    services = open_services(tmp_path)
    summary = index(services, photos)
    assert summary.added + summary.unchanged == 240 and summary.unchanged >= len(reported)
    page = services.catalogue.photos.page(PageRequest(0, 1000))
    assert page.total == 240 == services.vectors.count
    assert {
        name: i for name, i in reported.items() if services.catalogue.photos.by_ids([i])[i].path.name != name
    } == {}
    services.close()
