"""Rules that only a fresh interpreter can show."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.pictures import save_pictures

ROOT = Path(__file__).resolve().parents[2]


def fresh(script: str, *arguments: object, timeout: int = 120) -> str:
    """Run a script in a new interpreter; its output."""
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("ui.main_window", "torch torchvision faiss timm open_clip desktop_app.engine desktop_app.catalogue"),
        (
            "desktop_app.worker.job_runner",
            "torch faiss PySide6.QtGui PySide6.QtWidgets desktop_app.catalogue",
        ),
        ("desktop_app.main", "torch faiss timm"),
        ("desktop_app.jobs.services", "torch faiss PySide6"),
        ("desktop_app.jobs.index_photos", "torch faiss PySide6"),
        ("desktop_app.cli.app", "torch faiss PySide6 numpy.testing"),
        ("desktop_app.training.contrastive", "pytorch_metric_learning sklearn PySide6"),
        ("desktop_app.jobs.tune_library", "torch faiss PySide6"),
        ("desktop_app.catalogue.catalogue", "torch faiss PySide6 desktop_app.engine desktop_app.jobs"),
    ],
)
def test_import_stays_light(module: str, unwanted: str) -> None:
    if importlib.util.find_spec(module) is None:
        pytest.fail(f"{module} is gone; name its successor here")
    script = (
        f"import sys, {module}\n"
        f"loaded = [name for name in {unwanted.split()!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    fresh(script)


_OFFLINE = """
import sys
from pathlib import Path

def refuse(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"):
        sys.stderr.write(f"network: {event} {arguments}\\n")
        sys.stderr.flush()
        import os
        os._exit(3)

sys.addaudithook(refuse)
from desktop_app.core.types import SearchRequest
from desktop_app.jobs import search_photos
from tests.library import drive, index, open_services
services = open_services(Path(sys.argv[1]))
assert index(services, Path(sys.argv[2])).added == 8
query = next(Path(sys.argv[2]).iterdir())
assert drive(search_photos.run(SearchRequest(path=query, min_similarity=-1.0), services))[1].hits
from desktop_app.cli.app import main
assert main(["models", "list", "--json", "--data", sys.argv[1]]) == 0
if sys.argv[3] == "builtin":
    for command in (["index", sys.argv[2]], ["search", str(query)]):
        assert main([*command, "--json", "--data", sys.argv[1] + "/own"]) == 0
print("offline")
"""


def test_index_search_and_models_use_no_network(tmp_path: Path) -> None:
    save_pictures(tmp_path / "photos", 8)
    has_builtin = (ROOT / "resources" / "models" / "contrastive_photo.builtin.safetensors").is_file()
    out = fresh(_OFFLINE, tmp_path, tmp_path / "photos", "builtin" if has_builtin else "tiny")
    assert out.rstrip().endswith("offline")


_OFFLINE_TRAINING = (
    _OFFLINE.split("from desktop_app", maxsplit=1)[0]
    + """
from desktop_app.cli.app import main
photos, home = sys.argv[2], ["--json", "--data", sys.argv[1]]
line = ["train", "contrastive", "--pictures", photos, "--images", "8", "--batch", "4", "--size", "32"]
line += ["--labels", sys.argv[4], "--alike", "labels", *home]
for method in ("supcon", "facenet", "pair"):
    run = sys.argv[1] + "/" + method
    assert main([*line, "--method", method, "--out", run]) == 0
if sys.argv[3] == "builtin":
    assert main(["index", photos, *home]) == 0
    assert main(["train", "tune", "--steps", "2", *home]) == 0
    assert main(["train", "tune", "--keep", *home]) == 0
print("offline")
"""
)


def test_training_and_tuning_use_no_network(tmp_path: Path) -> None:
    save_pictures(tmp_path / "photos", 12)
    table = tmp_path / "labels.csv"
    names = sorted(file.name for file in (tmp_path / "photos").iterdir())
    rows = [f"{name},{number % 3}" for number, name in enumerate(names)]
    table.write_text("\n".join(["file,label", *rows]), encoding="utf-8")
    has_builtin = (ROOT / "resources" / "models" / "contrastive_photo.builtin.safetensors").is_file()
    kind = "builtin" if has_builtin else "tiny"
    out = fresh(_OFFLINE_TRAINING, tmp_path, tmp_path / "photos", kind, table, timeout=280)
    assert out.rstrip().endswith("offline")


def test_the_network_check_can_fail() -> None:
    script = (
        _OFFLINE.split("from desktop_app", maxsplit=1)[0]
        + "import socket\nsocket.getaddrinfo('localhost', 80)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 3


def test_emitting_signals_keeps_reference_counts() -> None:
    """PySide6 6.12.0 on Python 3.11 loses a reference at each emitted signal and ends the process."""
    script = (
        "import sys\n"
        "from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal\n"
        "class Source(QObject):\n"
        "    told = Signal(object)\n"
        "application = QCoreApplication([])\n"
        "source = Source()\n"
        "source.told.connect(lambda value: None)\n"
        "before = [sys.getrefcount(value) for value in (True, None)]\n"
        "for _ in range(2000):\n"
        "    source.told.emit(True)\n"
        "    source.told.emit(None)\n"
        "timer = QTimer()\n"
        "timer.timeout.connect(lambda: None)\n"
        "timer.start(0)\n"
        "QTimer.singleShot(100, application.quit)\n"
        "application.exec()\n"
        "after = [sys.getrefcount(value) for value in (True, None)]\n"
        "assert all(a > b - 100 for a, b in zip(after, before)), (before, after)\n"
    )
    fresh(script)
