"""The faces page with a real engine thread and tiny models: two methods, tuning, mix, toon, bad input."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage
from safetensors.torch import load_file

from desktop_app.core.paths import AppPaths
from desktop_app.core.settings import LibrarySettings
from desktop_app.core.types import FacePoints, PhotoSource
from desktop_app.engine.weights.store import write_model
from tests.pictures import picture
from tests.tiny_inverter import (
    MODEL,
    face_settings,
    write_tiny_directions,
    write_tiny_generator,
    write_tiny_model,
)
from tests.ui.real_window import real_window
from ui import file_dialogs
from ui.catalogue.similar_view import Query
from ui.inversion.inversion_page import InversionPage
from ui.main_window import MainWindow

TOON, BROKEN, CARS = "restyle_psp.tiny_toon", "restyle_psp.tiny_broken", "restyle_psp.tiny_cars"
Until = Callable[[Callable[[], object]], None]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    file = tmp_path / "one.png"
    PillowImage.fromarray(picture(1, width=120, height=90)).save(file)
    return file


@pytest.fixture
def window(qtbot: object, paths: AppPaths) -> Iterator[MainWindow]:
    for name, domain in ((MODEL, "faces"), (TOON, "toon")):
        write_tiny_directions(write_tiny_model(paths.models, name=name, domain=domain))
    write_tiny_model(paths.models, name=CARS, domain="cars")
    card = write_tiny_model(paths.models, name=BROKEN)
    tensors = load_file(card.weights_file)
    tensors["decoder.conv1.conv.weight"][0, 0, 0] = float("nan")
    write_model(card, tensors)
    settings = replace(face_settings(), library=LibrarySettings(encoder="tiny.test"))
    with real_window(qtbot, paths, settings) as made:
        yield made


@pytest.fixture
def until(qtbot: object) -> Until:
    return lambda holds: qtbot.waitUntil(holds, timeout=60_000)


def _open(page: InversionPage, photo: Path, until: Until) -> None:
    """Open a photo and place its face by hand."""
    chooser = page._chooser
    page.open(Query(PhotoSource(path=photo), photo.name))
    until(lambda: chooser._found is not None and chooser.first.choice is not None)
    chooser._by_hand.click()
    chooser._canvas.points_moved.emit(FacePoints((50, 35), (70, 36), (52, 58), (68, 58)))
    until(lambda: chooser._invert.isEnabled() and len(chooser._canvas._quad) == 4)


def _until_done(page: InversionPage, until: Until) -> None:
    until(lambda: page._run is not None and page._run.is_done)


@pytest.mark.timeout(240)
def test_two_methods_then_tuning_then_a_mix_then_a_toon(
    window: MainWindow, photo: Path, until: Until, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = window._faces
    window.show_page(1)
    _open(page, photo, until)
    chooser, result = page._chooser, page._result
    chooser._compare.setChecked(True)
    chooser.second.choose(model=MODEL, method="hybrid")
    chooser.second._iterations.setValue(8)
    chooser._invert.click()
    until(lambda: len(page._pair._measures) == 2)
    assert all(run.result is not None for run in page._pair.runs)
    names = {one.name for one in page._pair._measures[1]}
    assert names >= {"l2", "ms_ssim", "identity", "seconds"}
    page._pair.runs[1]._choose.click()
    until(lambda: bool(result.edits._sliders))

    steps = len(result.steps)
    result._continue.wanted.emit(0, 0, 10)
    _until_done(page, until)
    assert result.session.tuned_from == steps + 1
    assert result.steps[-1].l2 < result.steps[steps - 1].l2

    other = tmp_path / "two.png"
    PillowImage.fromarray(picture(5, width=64, height=64)).save(other)
    monkeypatch.setattr(file_dialogs, "choose_picture", lambda _parent: other)
    result.edits.mix._photo.click()  # it has no face that could be found
    until(lambda: any("No face" in message.text for message in window.notifications.messages))
    first = page._pair.runs[0].result.session_id
    result.edits.mix.choose_face(first)
    until(lambda: result._edited is not None)
    target = tmp_path / "mixed.png"
    monkeypatch.setattr(file_dialogs, "choose_target", lambda *_a, **_k: target)
    result.exports._face.click()
    until(target.exists)

    chooser._compare.setChecked(False)
    chooser._toonify.click()
    _until_done(page, until)
    assert [step.phase for step in result.steps] == ["face", "toon", "toon"]
    assert (result.session.model, result.session.method) == (TOON, "bootstrap")
    toon = tmp_path / "toon.png"
    monkeypatch.setattr(file_dialogs, "choose_target", lambda *_a, **_k: toon)
    result.exports._photo.click()
    until(lambda: any(message.text == "Saved toon.png" for message in window.notifications.messages))
    with PillowImage.open(toon) as written:
        assert written.size == (120, 90)


@pytest.mark.timeout(240)
def test_after_each_bad_input_the_session_is_there_and_the_next_run_works(
    window: MainWindow, photo: Path, until: Until, tmp_path: Path
) -> None:
    page = window._faces
    window.show_page(1)
    _open(page, photo, until)
    chooser, result = page._chooser, page._result
    chooser._invert.click()
    _until_done(page, until)
    good = result.session.session_id

    chooser.first.choose(model=BROKEN)
    chooser._invert.click()
    _until_done(page, until)
    assert "no numbers" in result._figures.text()
    assert result.session is None

    tiny = tmp_path / "tiny.png"
    PillowImage.fromarray(np.zeros((10, 10, 3), np.uint8)).save(tiny)
    page.open(Query(PhotoSource(path=tiny), tiny.name))
    until(lambda: chooser._found is not None)
    chooser._aligned.setChecked(True)
    chooser.first.choose(model=MODEL)
    chooser._invert.click()
    _until_done(page, until)
    assert "too small" in result._figures.text()

    _open(page, photo, until)
    chooser.first.choose(model=MODEL)
    chooser._canvas.points_moved.emit(FacePoints((-900, 35), (-880, 36), (-898, 58), (-882, 58)))
    until(lambda: len(chooser._canvas._quad) == 4)
    chooser._invert.click()
    _until_done(page, until)
    assert "outside" in result._figures.text()

    _open(page, photo, until)
    chooser.first.choose(model=CARS)
    chooser._invert.click()
    _until_done(page, until)
    assert result.steps[-1].y_hat.shape == (24, 32, 3)  # cars are wide
    assert not result.session.can_paste_back

    _open(page, photo, until)
    chooser.first.choose(model=MODEL)
    chooser._invert.click()
    _until_done(page, until)
    assert result.session.session_id != good
    result.edits.mix.choose_face(good)  # the first session is as it was
    until(lambda: result._edited is not None)


@pytest.mark.timeout(240)
def test_a_generator_alone_is_projected_and_a_stopped_search_ends_on_the_same_bits(
    window: MainWindow, photo: Path, until: Until, paths: AppPaths
) -> None:
    page = window._faces
    window.show_page(1)
    _open(page, photo, until)
    chooser, result = page._chooser, page._result
    name = write_tiny_generator(paths.models).name
    page._ask_models()
    until(lambda: chooser.first._models.model(name) is not None)
    chooser.first.choose(model=name)
    methods = chooser.first._method
    assert [methods.itemData(k) for k in range(methods.count())] == ["karras_w_plus", "karras_w"]
    assert "has none" in chooser.first._model_words.text()
    assert "does not say what it paints" in chooser._domain_notice()
    chooser.first._iterations.setValue(300)
    chooser._invert.click()
    _until_done(page, until)
    whole = result.steps

    chooser._invert.click()
    until(lambda: len(result.steps) >= 3)
    result._stop.click()
    _until_done(page, until)
    assert len(result.steps) < len(whole) and result.session.is_unfinished
    result._continue.finish_wanted.emit()
    _until_done(page, until)
    assert len(result.steps) == len(whole)
    assert np.array_equal(result.steps[-1].w_plus, whole[-1].w_plus)
    assert np.array_equal(result.steps[-1].y_hat, whole[-1].y_hat)
