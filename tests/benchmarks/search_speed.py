"""Search and paging in a library of 100,000 photos: first answer of a new process, then many more."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from desktop_app.catalogue.catalogue import Batch, Catalogue
from desktop_app.catalogue.photos import PhotoFacts
from desktop_app.catalogue.scanner import FileStamp
from desktop_app.catalogue.thumbnails import content_digest
from desktop_app.core.types import FloatArray

PHOTOS = 100_000
EMBEDDING_SIZE = 256
_CLUSTERS = 2_000
_BATCH = 5_000

_CLIENT = """
import json, sys, time
started = time.perf_counter()
from pathlib import Path
import numpy as np
from desktop_app.core.types import PageRequest, PhotoOrder, SearchRequest
from desktop_app.jobs import page_photos, search_photos
from tests.library import drive, open_services
imported = time.perf_counter()
services = open_services(Path(sys.argv[1]))
def ask(photo_id):
    before = time.perf_counter()
    result = drive(search_photos.run(SearchRequest(photo_id=photo_id), services))[1]
    assert result.searched == int(sys.argv[2]) - 1
    return time.perf_counter() - before
first = ask(1)
since_start = time.perf_counter() - started
processor = time.process_time()
chance = np.random.default_rng(1)
later = [ask(int(i)) for i in chance.integers(1, int(sys.argv[2]), 200)]
pages = []
for number in range(100):
    order = list(PhotoOrder)[number % 3]
    before = time.perf_counter()
    drive(page_photos.run(PageRequest(int(chance.integers(0, int(sys.argv[2]))), 200, order), services))
    pages.append(time.perf_counter() - before)
ms = lambda values, q: round(float(np.percentile(values, q)) * 1000, 1)
print(json.dumps({
    "import_ms": round((imported - started) * 1000), "first_search_ms": round(first * 1000),
    "first_answer_since_process_start_ms": round(since_start * 1000),
    "first_answer_processor_ms": round(processor * 1000),
    "later_p50_ms": ms(later, 50), "later_p99_ms": ms(later, 99), "later_max_ms": ms(later, 100),
    "page_p50_ms": ms(pages, 50), "page_p99_ms": ms(pages, 99),
    "torch_loaded": "torch" in sys.modules,
}))
"""


def run() -> dict[str, object]:
    """Build the library, ask in a new process."""
    with tempfile.TemporaryDirectory() as folder:
        build_library(Path(folder) / "library")
        done = subprocess.run(
            [sys.executable, "-c", _CLIENT, folder, str(PHOTOS)], capture_output=True, text=True, check=True
        )
    figures: dict[str, object] = json.loads(done.stdout)
    return {"photos": PHOTOS, "embedding_size": EMBEDDING_SIZE, **figures}


def build_library(folder: Path) -> None:
    """A library of photos that do not exist, with vectors in clusters."""
    catalogue = Catalogue.open(folder)
    catalogue.add_folder(Path("/photos"))
    model = catalogue.use_model("tiny.test", "", embedding_size=EMBEDDING_SIZE)
    chance = np.random.default_rng(0)
    centres = _unit(chance.standard_normal((_CLUSTERS, EMBEDDING_SIZE)).astype(np.float32))
    for start in range(0, PHOTOS, _BATCH):
        rows = centres[chance.integers(0, _CLUSTERS, _BATCH)]
        rows = _unit(rows + 0.06 * chance.standard_normal(rows.shape).astype(np.float32))
        facts = []
        for number in range(start, start + _BATCH):
            path = Path(f"/photos/{number // 500:04d}/IMG_{number:06d}.jpg")
            stamp = FileStamp(path, 1000, int(chance.integers(0, 10**18)))
            facts.append(
                PhotoFacts(stamp, content_digest(str(number).encode()), 4000, 3000, chance.bytes(304))
            )
        catalogue.store(Batch(photos=facts, embeddings=rows), model)
    catalogue.close()


def _unit(rows: FloatArray) -> FloatArray:
    unit: FloatArray = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    return unit
