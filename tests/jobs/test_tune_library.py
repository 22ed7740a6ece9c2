"""Tuning on a library: learn, stop, go on, keep, switch, go back; and what it refuses."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import timm
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.paths import paths_below
from desktop_app.core.settings import LibrarySettings, Settings
from desktop_app.core.types import (
    AlikeKind,
    DiscardTuningRequest,
    EncoderSwitched,
    GroupsRequest,
    KeepTuningRequest,
    KeptTuning,
    MarkGroupRequest,
    Progress,
    SearchRequest,
    SwitchEncoderRequest,
    TuneOptions,
    TuneOptionsRequest,
    TuneRequest,
    TuneResult,
    TuneStep,
    UnmarkPhotosRequest,
)
from desktop_app.jobs import (
    keep_tuning,
    mark_groups,
    search_photos,
    switch_encoder,
    tune_library,
    tune_options,
)
from desktop_app.jobs.services import Services
from desktop_app.jobs.tuning_folder import TuningFolder
from tests.library import drive, index, open_services
from tests.pictures import picture

VIEWS, GROUPS = (AlikeKind.VIEWS,), (AlikeKind.VIEWS, AlikeKind.GROUPS)
PHOTOS = 18


def _save(folder: Path, count: int = PHOTOS) -> Path:
    for number in range(count):
        place = folder / ("even" if number % 2 == 0 else "odd")
        place.mkdir(parents=True, exist_ok=True)
        PillowImage.fromarray(picture(number, width=60, height=45)).save(place / f"p{number:02d}.png")
    return folder


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    made = open_services(tmp_path)
    index(made, _save(tmp_path / "photos"))
    yield made
    made.close()


def _ids(services: Services) -> list[int]:
    return [row.photo_id for row in tune_options.all_photos(services)]


def _tune(services: Services, alike: tuple[AlikeKind, ...] = VIEWS, **more: object) -> TuneResult:
    request = TuneRequest(alike=alike, steps=6, **more)  # type: ignore[arg-type]
    return drive(tune_library.run(request, services))[1]


def _options(services: Services) -> TuneOptions:
    return drive(tune_options.run(TuneOptionsRequest(), services))[1]


def _keep(services: Services) -> KeptTuning:
    return drive(keep_tuning.run(KeepTuningRequest(), services))[1]


def _switch(services: Services, name: str) -> EncoderSwitched:
    return drive(switch_encoder.run(SwitchEncoderRequest(name), services))[1]


def _refused(services: Services, alike: tuple[AlikeKind, ...] = VIEWS) -> str:
    with pytest.raises(UserInputError) as refusal:
        _tune(services, alike)
    assert refusal.value.hint
    return refusal.value.message


# --- marking ------------------------------------------------------------------------------------------


def test_marked_groups_are_told_with_their_photos(services: Services) -> None:
    ids = _ids(services)
    drive(mark_groups.run(MarkGroupRequest((ids[0], ids[3])), services))
    _, answer = drive(mark_groups.run(MarkGroupRequest((ids[5], ids[6], ids[7])), services))
    assert [[row.photo_id for row in group.photos] for group in answer.groups] == [
        sorted(ids[5:8]),
        sorted((ids[0], ids[3])),
    ]
    _, answer = drive(mark_groups.run(UnmarkPhotosRequest((ids[0],)), services))
    assert len(answer.groups) == 1
    assert drive(mark_groups.run(GroupsRequest(), services))[1] == answer


def test_one_photo_or_strangers_are_no_group(services: Services) -> None:
    for ids in ((_ids(services)[0],), (777, 888)):
        with pytest.raises(UserInputError, match="At least two photos"):
            drive(mark_groups.run(MarkGroupRequest(ids), services))


# --- the way through ----------------------------------------------------------------------------------


def test_options_say_what_can_be_learned_from_and_why_not(services: Services) -> None:
    options = _options(services)
    assert (options.photos, options.used) == (PHOTOS, "tiny.test")
    assert [(e.name, e.photos) for e in options.encoders] == [("tiny.test", PHOTOS)]
    problems = {choice.kind: choice.problem for choice in options.choices}
    assert not problems[AlikeKind.VIEWS] and not problems[AlikeKind.FOLDERS]
    assert "Mark photos" in problems[AlikeKind.GROUPS]
    assert "does not know who" in problems[AlikeKind.PEOPLE]
    folders = next(c for c in options.choices if c.kind is AlikeKind.FOLDERS)
    assert (folders.sets, folders.photos) == (2, PHOTOS)


def test_tuning_learns_and_shows_neighbours_before_and_after(services: Services) -> None:
    ids = _ids(services)
    drive(mark_groups.run(MarkGroupRequest(tuple(ids[0:3])), services))
    drive(mark_groups.run(MarkGroupRequest(tuple(ids[8:11])), services))
    request = TuneRequest(alike=GROUPS, steps=6, probes=(ids[0], ids[5]))
    messages, result = drive(tune_library.run(request, services))
    steps = [message for message in messages if isinstance(message, TuneStep)]
    assert [step.step for step in steps] == [1, 2, 3, 4, 5, 6]
    assert tuple(steps) == result.steps
    assert [p.photo.photo_id for p in result.probes] == [ids[0], ids[5]]
    assert all(len(p.before) == len(p.after) == 9 for p in result.probes)
    assert result.agreement_before is not None and result.agreement_after is not None
    assert result.agreement_after > result.agreement_before
    assert not any(step.is_collapsed for step in steps)
    assert _options(services).result == result  # it waits on disk


def test_kept_encoder_has_vectors_of_its_own_and_one_switch_goes_back(services: Services) -> None:
    base = services.catalogue.current_model("tiny.test")
    assert base is not None
    before = services.catalogue.stored_vectors(base)[1]
    _tune(services)
    kept = _keep(services)
    assert (kept.name, kept.photos) == ("contrastive_tuned.1", PHOTOS)
    assert services.encoder_name == "tiny.test"
    assert np.array_equal(services.catalogue.stored_vectors(base)[1], before)
    card = services.card_of(kept.name)
    assert card["config"]["base"] == "tiny.test"
    assert "tiny.test" in card["facts"]["base encoder"]
    switched = _switch(services, kept.name)
    assert (switched.previous, switched.photos, switched.photos_total) == ("tiny.test", PHOTOS, PHOTOS)
    photo_id = _ids(services)[0]
    _, found = drive(search_photos.run(SearchRequest(photo_id=photo_id, min_similarity=-1.0), services))
    assert len(found.hits) == PHOTOS - 1
    tuned = next(e for e in _options(services).encoders if e.name == kept.name)
    assert tuned.base == "tiny.test"
    assert _switch(services, "tiny.test").previous == kept.name
    assert np.array_equal(services.catalogue.stored_vectors(base)[1], before)
    _, again = drive(search_photos.run(SearchRequest(photo_id=photo_id), services))
    assert again.searched == PHOTOS - 1


def test_second_kept_encoder_gets_a_name_of_its_own(services: Services) -> None:
    _tune(services)
    _keep(services)
    _tune(services)
    assert _keep(services).name == "contrastive_tuned.2"
    _switch(services, "contrastive_tuned.2")
    assert _tune(services).encoder == "tiny.test", "what the tuned one stands on"
    with pytest.raises(UserInputError, match="is a tuned encoder already") as refusal:
        _tune(services, encoder="contrastive_tuned.2")
    assert "'tiny.test'" in refusal.value.hint


def test_stopped_tuning_goes_on_where_it_was(services: Services) -> None:
    whole = _tune(services, seed=3)
    drive(tune_options.run(DiscardTuningRequest(), services))
    job = tune_library.run(TuneRequest(alike=VIEWS, steps=6, seed=3), services)
    for message in job:
        if isinstance(message, TuneStep) and message.step == 2:
            break
    job.close()  # as the stop button does
    options = _options(services)
    assert (options.stopped_at, options.stopped_of, options.result) == (2, 6, None)
    _, result = drive(tune_library.run(TuneRequest(resume=True), services))
    assert result.steps == whole.steps
    assert _options(services).stopped_of == 0


def test_tuning_stopped_while_views_are_embedded_can_go_on(services: Services) -> None:
    whole = _tune(services, seed=3)
    drive(tune_options.run(DiscardTuningRequest(), services))
    job = tune_library.run(TuneRequest(alike=VIEWS, steps=6, seed=3), services)
    for message in job:
        if isinstance(message, Progress) and "views" in message.text:
            break
    job.close()
    options = _options(services)
    assert (options.stopped_at, options.stopped_of, options.result) == (0, 6, None)
    _, result = drive(tune_library.run(TuneRequest(resume=True), services))
    assert result.steps == whole.steps
    assert _options(services).stopped_of == 0


def test_discarded_tuning_is_gone(services: Services) -> None:
    _tune(services)
    _, options = drive(tune_options.run(DiscardTuningRequest(), services))
    assert options.result is None and options.stopped_of == 0
    assert not TuningFolder(services.library).path.exists()
    with pytest.raises(UserInputError, match="no tuning"):
        _keep(services)
    with pytest.raises(UserInputError, match="no tuning"):
        drive(tune_library.run(TuneRequest(resume=True), services))


def test_tuning_by_folders_needs_no_views(services: Services) -> None:
    result = _tune(services, (AlikeKind.FOLDERS,))
    assert result.alike == (AlikeKind.FOLDERS,)
    assert result.agreement_after is not None


# --- bad input ----------------------------------------------------------------------------------------


def test_library_of_three_photos_is_too_little(tmp_path: Path) -> None:
    services = open_services(tmp_path)
    index(services, _save(tmp_path / "photos", 3))
    assert "3 photos, at least 12" in _refused(services)
    assert (
        len(drive(search_photos.run(SearchRequest(photo_id=1, min_similarity=-1.0), services))[1].hits) == 2
    )
    services.close()


@pytest.mark.parametrize("level", [0, 90])
def test_photos_that_all_look_the_same_are_refused(tmp_path: Path, level: int) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(14):
        PillowImage.new("RGB", (40 + number, 30), (level,) * 3).save(folder / f"{number}.png")
    services = open_services(tmp_path)
    index(services, folder)
    assert "look the same" in _refused(services)
    services.close()


def test_one_folder_no_bursts_no_people_and_nothing_are_refused(services: Services, tmp_path: Path) -> None:
    assert "seconds of each other" in _refused(services, (AlikeKind.BURSTS,))
    assert "does not know who" in _refused(services, (AlikeKind.PEOPLE,))
    assert "No photos are marked" in _refused(services, (AlikeKind.GROUPS,))
    assert "Nothing was chosen" in _refused(services, ())
    other = open_services(tmp_path / "other")
    index(other, tmp_path / "photos" / "even", _save(tmp_path / "flat", 30) / "even")
    other.catalogue.remove_folder(tmp_path / "photos" / "even")
    assert "one folder" in _refused(other, (AlikeKind.FOLDERS,))
    other.close()


def test_copies_in_two_groups_contradict(services: Services, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    for number in (0, 2):
        PillowImage.fromarray(picture(number, width=60, height=45)).save(folder / f"copy{number}.bmp")
    index(services, folder)
    by_name = {row.path.name: row.photo_id for row in tune_options.all_photos(services)}
    drive(mark_groups.run(MarkGroupRequest((by_name["p00.png"], by_name["p02.png"])), services))
    drive(mark_groups.run(MarkGroupRequest((by_name["copy0.bmp"], by_name["copy2.bmp"])), services))
    assert "contradict each other: 4 photos" in _refused(services, GROUPS)


def test_groups_to_mark_first_are_stored_only_when_nothing_speaks_against(
    services: Services, tmp_path: Path
) -> None:
    PillowImage.fromarray(picture(0, width=60, height=45)).save(tmp_path / "photos" / "copy.bmp")
    index(services, tmp_path / "photos")
    by_name = {row.path.name: row.photo_id for row in tune_options.all_photos(services)}
    first, second, third, copy = (by_name[name] for name in ("p00.png", "p02.png", "p04.png", "copy.bmp"))
    drive(mark_groups.run(MarkGroupRequest((first, second)), services))
    before = services.catalogue.groups.all()
    with pytest.raises(UserInputError, match="contradict each other: 2 photos"):
        _tune(services, marks=((third, copy),))
    assert services.catalogue.groups.all() == before and TuningFolder(services.library).plan() is None
    other = (by_name["p01.png"], by_name["p03.png"])
    result = _tune(services, marks=((second, copy), other))  # joins what was marked, so nothing contradicts
    assert result.alike == GROUPS and result.agreement_after is not None
    assert sorted(services.catalogue.groups.all().values()) == sorted(
        [sorted((first, second, copy)), sorted(other)]
    )


@pytest.mark.parametrize(
    ("groups", "joined"),
    [
        ([(1, 2), (3, 4)], [[1, 2], [3, 4]]),
        ([(1, 2), (3, 4), (4, 1)], [[1, 2, 3, 4]]),
        ([(5, 6), (1, 2), (2, 9), (9, 3)], [[5, 6], [1, 2, 3, 9]]),
        ([], []),
    ],
)
def test_groups_that_share_a_photo_are_one(groups: list[tuple[int, ...]], joined: list[list[int]]) -> None:
    assert mark_groups.joined(groups) == joined


def test_encoder_that_was_replaced_or_never_used_is_refused(services: Services) -> None:
    services.use_encoder("other.test")
    assert "not indexed with the encoder 'other.test'" in _refused(services)
    with pytest.raises(UserInputError, match="no embeddings of the encoder 'third"):
        _switch(services, "third.test")
    services.use_encoder("tiny.test")
    _tune(services)
    plan = TuningFolder(services.library).plan()
    assert plan is not None
    TuningFolder(services.library).write_plan(replace(plan, version="of yesterday"))
    with pytest.raises(UserInputError, match="was replaced"):
        _keep(services)


def test_encoder_whose_vectors_do_not_match_is_refused(services: Services) -> None:
    _tune(services)
    kept = _keep(services)
    card = services.paths.models / f"{kept.name}.json"
    card.write_text(
        card.read_text(encoding="utf-8").replace('"sha256": "', '"sha256": "00'), encoding="utf-8"
    )
    with pytest.raises(UserInputError, match="do not match the encoder"):
        _switch(services, kept.name)
    assert services.encoder_name == "tiny.test"


def test_photos_that_leave_while_a_tuning_runs_do_not_cost_its_result(services: Services) -> None:
    job = tune_library.run(TuneRequest(alike=VIEWS, steps=6), services)
    gone = set(_ids(services)[::2])  # one of the two folders
    result, is_removed = None, False
    try:
        while True:
            message = next(job)
            if isinstance(message, TuneStep) and not is_removed:
                services.catalogue.photos.remove(sorted(gone))
                is_removed = True
    except StopIteration as end:
        result = end.value
    assert is_removed and result is not None and len(result.steps) == 6
    shown = {row.photo_id for probe in result.probes for row in (probe.photo, *probe.before, *probe.after)}
    assert shown and not shown & gone


def test_changed_library_does_not_go_on_with_a_stopped_tuning(services: Services, tmp_path: Path) -> None:
    job = tune_library.run(TuneRequest(alike=VIEWS, steps=6), services)
    next(message for message in job if isinstance(message, TuneStep))
    job.close()
    _save(tmp_path / "photos", PHOTOS + 2)
    index(services)
    with pytest.raises(UserInputError, match="changed since"):
        drive(tune_library.run(TuneRequest(resume=True), services))


def test_damaged_leftovers_are_no_tuning(services: Services) -> None:
    folder = TuningFolder(services.library)
    folder.path.mkdir()
    for name in ("plan.json", "result.json"):
        (folder.path / name).write_text('{"alike": 3}', encoding="utf-8")
    options = _options(services)
    assert options.result is None and options.stopped_of == 0
    _tune(services)
    assert _options(services).result is not None


_CHILD = """
import sys
from pathlib import Path
from desktop_app.core.types import AlikeKind, TuneRequest, TuneStep
from desktop_app.jobs import tune_library
from tests.library import open_services
tune_library._SAVE_EVERY = 1
services = open_services(Path(sys.argv[1]))
request = TuneRequest(alike=(AlikeKind.VIEWS,), steps=100000)
for message in tune_library.run(request, services):
    if isinstance(message, TuneStep):
        print(message.step, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_kill_in_the_middle_loses_nothing(
    services: Services, tmp_path: Path, expected_log: list[logging.LogRecord]
) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _CHILD, str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).resolve().parents[2],
    )
    assert child.stdout is not None
    for line in child.stdout:
        if int(line) == 5:
            break
    child.send_signal(signal.SIGKILL)
    child.wait(timeout=30)
    child.stdout.close()
    services.catalogue.check_integrity()
    assert drive(search_photos.run(SearchRequest(photo_id=1), services))[1].searched == PHOTOS - 1
    options = _options(services)
    assert options.stopped_at >= 4 and options.stopped_of == 100000
    job = tune_library.run(TuneRequest(resume=True), services)
    steps = (message for message in job if isinstance(message, TuneStep))
    assert next(steps).step == 1  # the curve so far is told first
    job.close()
    assert _options(services).stopped_at >= 4


# --- changed layers -----------------------------------------------------------------------------------


@pytest.fixture
def layered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    """A library indexed with a small network whose layers can be changed."""
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", pretrained=False)
    models = tmp_path / "models"
    models.mkdir()
    safetensors.torch.save_file(network.state_dict(), models / "test_resnet.safetensors")
    monkeypatch.setattr(tune_library, "LAYER_STEPS", 3)
    settings = Settings(library=LibrarySettings(encoder="timm:test_resnet", batch_size=8))
    made = Services(paths_below(tmp_path), settings, tmp_path / "library")
    index(made, _save(tmp_path / "photos"))
    yield made
    made.close()


def test_layers_are_changed_kept_and_used_for_new_photos(layered: Services, tmp_path: Path) -> None:
    ids = _ids(layered)
    drive(mark_groups.run(MarkGroupRequest(tuple(ids[0:3])), layered))
    drive(mark_groups.run(MarkGroupRequest(tuple(ids[8:11])), layered))
    request = TuneRequest(alike=GROUPS, steps=4, changes_layers=True)
    messages, result = drive(tune_library.run(request, layered))
    steps = [message for message in messages if isinstance(message, TuneStep)]
    assert [(step.step, step.steps) for step in steps] == [(n, 7) for n in range(1, 8)]
    assert result.steps == tuple(steps)
    kept = _keep(layered)
    tensors = safetensors.torch.load_file(layered.models.card(kept.name).weights_file)
    changed = {name: value for name, value in tensors.items() if name.startswith("network.")}
    published = safetensors.torch.load_file(tmp_path / "models" / "test_resnet.safetensors")
    assert changed
    for name, value in changed.items():
        assert not torch.equal(value, published[name.removeprefix("network.")]), name
    _switch(layered, kept.name)
    stored = layered.vectors.vector_of(ids[4])
    row = layered.catalogue.photos.by_id(ids[4])
    assert row is not None and stored is not None
    with PillowImage.open(row.path) as picture_file:
        anew = layered.embedder(kept.name).embed([np.asarray(picture_file.convert("RGB"))])[0]
    assert float(anew @ stored) > 0.98  # the stored one was made from the thumbnail


def test_stopped_change_of_layers_goes_on_exactly(layered: Services) -> None:
    request = TuneRequest(alike=VIEWS, steps=3, changes_layers=True)
    whole = drive(tune_library.run(request, layered))[1]
    drive(tune_options.run(DiscardTuningRequest(), layered))
    for stop_at in (2, 5):  # among the layers, then in the head
        job = tune_library.run(request if stop_at == 2 else TuneRequest(resume=True), layered)
        for message in job:
            if isinstance(message, TuneStep) and message.step == stop_at:
                break
        job.close()
        assert _options(layered).stopped_at >= stop_at
    _, result = drive(tune_library.run(TuneRequest(resume=True), layered))
    assert result.steps == whole.steps


def test_encoder_without_layers_is_refused_and_nothing_is_lost(services: Services) -> None:
    with pytest.raises(UserInputError, match="cannot be changed"):
        drive(tune_library.run(TuneRequest(changes_layers=True), services))
    assert drive(search_photos.run(SearchRequest(photo_id=1), services))[1].searched == PHOTOS - 1
