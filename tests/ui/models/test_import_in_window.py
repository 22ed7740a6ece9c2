"""Foreign weights files dropped on the models page, with the real engine thread and its confined process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PySide6.QtWidgets import QInputDialog

from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import Settings
from desktop_app.core.types import JobFailure
from desktop_app.jobs.services import Services
from desktop_app.worker.job_runner import JobRunner
from tests.security import foreign_files as made
from tests.security.test_malicious_pickles import MARK, PAYLOADS
from ui.job_center import JobCenter
from ui.models.models_page import ModelsPage
from ui.widgets.drop_area import Offered

_PAGE = b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head></html>"


@pytest.fixture
def page(qtbot: object, paths: AppPaths, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelsPage]:
    monkeypatch.setattr(QInputDialog, "getText", lambda *_args: ("MIT", True))
    runner = JobRunner(lambda: Services(paths, Settings(), paths.library))
    jobs = JobCenter(runner)
    made_page = ModelsPage(jobs, paths.models)
    made_page.failures = []
    jobs.job_failed.connect(made_page.failures.append)
    qtbot.addWidget(made_page)
    runner.start()
    made_page.show()
    yield made_page
    made_page.close()
    assert runner.shutdown()
    jobs.deleteLater()


def _files(folder: Path) -> dict[str, Path]:
    """One file of each kind that must not be imported."""
    folder.mkdir()
    web = folder / "restyle_psp_ffhq_encode.pt"
    web.write_bytes(_PAGE)
    whole = made.save(made.restyle_checkpoint(), folder / "whole.pt").read_bytes()
    short = folder / "short.pt"
    short.write_bytes(whole[: len(whole) // 2])
    other = made.restyle_checkpoint()
    other["state_dict"]["encoder.input_layer.0.weight"] = torch.zeros(9, 9, 3, 3)
    wrong = made.save(other, folder / "wrong.pt")
    evil = folder / "evil.pt"
    evil.write_bytes(PAYLOADS["os_system"](f"touch {folder / MARK}"))
    return {"web page": web, "cut off": short, "encoder": wrong, "nothing of it was run": evil}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_each_bad_file_ends_in_one_sentence_and_a_good_one_still_works(
    qtbot: object, page: ModelsPage, paths: AppPaths, tmp_path: Path
) -> None:
    files = _files(tmp_path / "downloads")
    for number, (expected, file) in enumerate(files.items(), start=1):
        page.offered.emit(Offered(files=(file,)))
        qtbot.waitUntil(lambda count=number: len(page.failures) == count, timeout=120_000)
        failure: JobFailure = page.failures[-1]
        assert expected in failure.message, failure.message
        assert file.name in failure.message
        assert not failure.is_bug
        assert "\n" not in failure.message
        left = list(paths.models.iterdir()) if paths.models.is_dir() else []
        assert left == []
    assert not (tmp_path / "downloads" / MARK).exists()
    good = made.save(made.restyle_checkpoint(), tmp_path / "good.pt")
    page.offered.emit(Offered(files=(good,)))
    qtbot.waitUntil(lambda: page._title.text() != "" and not page._chosen.is_builtin, timeout=120_000)
    assert page._chosen.name == "restyle_psp.ffhq"
    page._remove_chosen()
    qtbot.waitUntil(lambda: "restyle_psp.ffhq" not in [m.name for m in page._model.models], timeout=60_000)
    assert list(paths.models.iterdir()) == []
    assert len(page.failures) == len(files)
