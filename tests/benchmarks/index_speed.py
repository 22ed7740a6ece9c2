"""Indexing 2,000 photos through the window's worker: rate against the encoder alone, stalls, memory.

The encoder is the built-in one; where it is not shipped yet, an untrained network of its layout, which
costs the same. Photos: the sample data (CONTRASTYLE_DATA), else pictures made by formula; with
`MEGAPIXELS=12` 400 JPEGs of that size, of 2 to 3 MB as cameras write them: once with the preview of
160 x 120 pixels that cameras put into them, and once without. "searchable" is the end of the first pass,
which takes the previews, and the other figures are of both passes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PHOTOS = 2_000
LARGE_PHOTOS, LARGE_SCENES = 400, 20
LARGE_QUALITY, LARGE_GRAIN = 90, 5.0

_CHILD = """
import json, os, resource, sys, time
from pathlib import Path
import numpy as np
from PySide6.QtCore import QCoreApplication, QTimer
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import Settings
from desktop_app.core.types import IndexRequest
from desktop_app.jobs import index_photos
from desktop_app.jobs.services import Services
from desktop_app.worker.job_runner import JobRunner
from tests.benchmarks.index_speed import encoder_factory

folder, photos = Path(sys.argv[1]), Path(sys.argv[2])
application = QCoreApplication([])
def open_services():
    return Services(paths_below(folder), Settings(), folder / "library", embedder_factory=encoder_factory)

runner = JobRunner(open_services)
runner.start()
answers, late, last, used = [], [], [time.perf_counter()], []

def tick():
    now = time.perf_counter()
    late.append((now - last[0] - 0.005) * 1000)
    last[0] = now

def ask():
    handle = runner.submit(IndexRequest((photos,)))
    handle.finished.connect(lambda summary: (answers.append(summary), next_step()))
    handle.failed.connect(lambda failure: (print(failure, file=sys.stderr), application.exit(1)))
    handles.append(handle)

class PaceWithMark(index_photos.Pace):  # made when a pass begins, in the engine thread; messages come late
    def __init__(self, total, text=""):
        super().__init__(total, text)
        if text == "Looking closer" and len(used) == 1:
            used.append(time.process_time())

index_photos.Pace = PaceWithMark

def next_step():
    if len(answers) == 1:
        used.append(time.process_time())
        if len(used) == 3:
            soon = 1000 * (used[1] - used[0]) / answers[0].added
            figures["processor_ms_per_photo_until_searchable"] = round(soon, 2)
        spent = used[-1] - used[0]
        figures["processor_ms_per_photo"] = round(1000 * spent / answers[0].added, 2)
        figures["peak_memory_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        figures["gui_late_p99_ms"] = round(float(np.percentile(late, 99)), 1)
        figures["gui_late_max_ms"] = round(max(late), 1)
        ask()
    else:
        application.quit()

def engine_is_loaded(_answer=None):
    last[0] = time.perf_counter()
    late.clear()
    used.append(time.process_time())
    timer.start(5)
    ask()

handles, figures = [], {}
timer = QTimer()
timer.timeout.connect(tick)
from desktop_app.core.types import WarmUpRequest
warm = runner.submit(WarmUpRequest())
warm.finished.connect(engine_is_loaded)
assert application.exec() == 0
runner.shutdown()
first, second = answers
figures.update(
    indexed=first.added, seconds=round(first.seconds, 2), photos_per_s=round(first.added / first.seconds, 1),
    searchable_per_s=round(first.added / first.searchable_seconds, 1),
    second_run_s=round(second.seconds, 3), second_run_unchanged=second.unchanged,
)
print(json.dumps(figures))
"""

_BARE = """
import json, sys, time
from pathlib import Path
import numpy as np
from desktop_app.catalogue.decode import decode_photo
from tests.benchmarks.index_speed import encoder_factory
embedder = encoder_factory("contrastive_photo.builtin")
files = sorted(path for path in Path(sys.argv[1]).rglob("*") if path.is_file())
reading = time.process_time()
decoded = [decode_photo(file, max_megapixels=250, at_least_px=256).image for file in files]
reading = time.process_time() - reading
prepared = np.stack([embedder.prepare(image) for image in decoded])
for start in range(0, 128, 32):
    embedder.embed_prepared(prepared[start:start + 32])
started, processor = time.perf_counter(), time.process_time()
for start in range(0, len(prepared), 32):
    embedder.embed_prepared(prepared[start:start + 32])
print(json.dumps({
    "photo_mb": round(sum(file.stat().st_size for file in files) / len(files) / 1e6, 2),
    "decode_processor_ms": round(1000 * reading / len(prepared), 2),
    "bare_forward_per_s": round(len(prepared) / (time.perf_counter() - started), 1),
    "bare_forward_processor_ms": round(1000 * (time.process_time() - processor) / len(prepared), 2),
}))
"""


def run() -> dict[str, object]:
    """Measure in child processes, so that memory is that of one run."""
    megapixels = float(os.environ.get("MEGAPIXELS", "0"))
    if not megapixels:
        return {"encoder": encoder_kind(), **_measured(gather)}
    return {
        "encoder": encoder_kind(),
        "with previews": _measured(lambda folder: gather_large(folder, megapixels, has_previews=True)),
        "without previews": _measured(lambda folder: gather_large(folder, megapixels, has_previews=False)),
    }


def _measured(gather_photos: Callable[[Path], str]) -> dict[str, object]:
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        kind = gather_photos(photos)
        bare = _child(_BARE, str(photos))
        whole = _child(_CHILD, folder, str(photos))
    return {"photos": kind, **bare, **whole}


def encoder_kind() -> str:
    """Which encoder is measured."""
    from desktop_app.core.paths import resources_folder

    file = resources_folder() / "models" / "contrastive_photo.builtin.safetensors"
    return "built-in" if file.is_file() else "untrained, same layout"


def encoder_factory(name: str) -> object:
    """The built-in encoder, or an untrained one of its layout."""
    import torch

    from desktop_app.core.paths import default_paths
    from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts, frozen
    from desktop_app.engine.embed.photo_encoder import EmbeddingShape, PhotoEncoder
    from desktop_app.engine.embed.preprocessing import Preprocessing
    from desktop_app.engine.embed.registry import load_embedder
    from desktop_app.engine.networks.resnet_small import ResNetShape
    from desktop_app.engine.weights.store import ModelStore

    device = torch.device("cpu")
    if encoder_kind() == "built-in":
        paths = default_paths()
        return load_embedder(ModelStore(paths.builtin_models, paths.models), name, device=device)
    torch.manual_seed(0)
    encoder = PhotoEncoder(ResNetShape(), EmbeddingShape(size=256, pool_power=3.0))
    facts = EmbedderFacts(name, "untrained", 256)
    return Embedder(frozen(encoder, device), Preprocessing(64), facts=facts, device=device)


def gather(folder: Path) -> str:
    """2,000 photos: links to the sample data, or pictures made by formula."""
    default = Path(__file__).resolve().parents[3] / "shared" / "data"
    source = Path(os.environ.get("CONTRASTYLE_DATA", default)) / "photos"
    folder.mkdir(parents=True)
    if source.is_dir():
        files = sorted(source.rglob("*.jpg"))
        step = max(1, len(files) // PHOTOS)
        for number, file in enumerate(files[::step][:PHOTOS]):
            (folder / f"{number:05d}.jpg").symlink_to(file)
        return "sample data"
    from tests.pictures import save_picture

    for number in range(PHOTOS):
        save_picture(folder / f"{number:05d}.jpg", number, width=640, height=480)
    return "made by formula, 640 x 480"


def gather_large(folder: Path, megapixels: float, *, has_previews: bool) -> str:
    """JPEGs of a camera's size and grain, each file different: enlarged photos with noise."""
    import numpy as np
    from PIL import Image

    from tests.pictures import camera_jpeg

    small = folder.parent / "small"
    kind = gather(small)
    folder.mkdir()
    width = round((megapixels * 1e6 * 4 / 3) ** 0.5)
    chance = np.random.default_rng(0)
    scenes = sorted(small.iterdir())[:: PHOTOS // LARGE_SCENES][:LARGE_SCENES]
    for number, file in enumerate(scenes):
        with Image.open(file) as picture:
            large = picture.convert("RGB").resize((width, width * 3 // 4), Image.Resampling.LANCZOS)
        grain = chance.normal(0.0, LARGE_GRAIN, (large.height, large.width, 1))
        noisy = (np.asarray(large) + grain).clip(0, 255).astype(np.uint8)
        size = (160, 120) if has_previews else (8, 6)  # the latter is no use to anyone
        content = camera_jpeg(noisy, size=size, quality=LARGE_QUALITY)
        for copy in range(LARGE_PHOTOS // LARGE_SCENES):  # bytes behind the end make the files different
            (folder / f"{copy:02d}_{number:02d}.jpg").write_bytes(content + bytes([copy]))
    return f"{kind}, enlarged to {megapixels:g} megapixels with grain"


def _child(script: str, *arguments: str) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    figures: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return figures
