"""The evaluation over a folder: by-hand values, bad photos, stopping and going on."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import InversionStep
from desktop_app.engine.image_tensor import image_to_tensor, resized_image
from desktop_app.engine.invert.methods import MethodInputs, MethodOptions, run_method
from desktop_app.engine.invert.model import InversionModel, load_inversion_model
from desktop_app.engine.invert.restyle import passes, render
from desktop_app.engine.weights.store import ModelStore, write_model
from desktop_app.evaluation.inversion.report import make_report, report_object
from desktop_app.evaluation.inversion.tables import markdown, photo_csv, summary_csv
from tests.evaluation.inversion.conftest import Make, drive
from tests.pictures import save_picture
from tests.tiny_inverter import MODEL, SIZE, write_tiny_model


@pytest.fixture
def model(store: ModelStore) -> InversionModel:
    return load_inversion_model(store, MODEL, device=torch.device("cpu"))


def photo_tensor(file: Path) -> torch.Tensor:
    with PillowImage.open(file) as picture:
        return image_to_tensor(resized_image(np.array(picture), width_px=SIZE, height_px=SIZE))


def test_maps_and_changes_equal_slow_formulas(make: Make, faces: Path, model: InversionModel) -> None:
    evaluation = make(faces, edit_photos=0)
    drive(evaluation)
    run = make_report(evaluation, is_complete=True).runs[0]
    maps = np.zeros((3, SIZE, SIZE))
    image_changes, code_changes, errors = np.zeros((3, 3)), np.zeros((3, 3)), np.zeros((3, 3))
    for k, file in enumerate(sorted(faces.iterdir())):
        x = photo_tensor(file)
        y, w = model.average_output, model.average_codes(1)
        with torch.inference_mode():
            for t, done in enumerate(islice(passes(model, x), 3)):
                squares = ((done.y_hat - y) ** 2).numpy()[0]
                for channel in squares:
                    maps[t] += channel / 3 / 3  # mean over channels and photos
                image_changes[k, t] = np.sqrt(squares.mean())
                code_changes[k, t] = np.linalg.norm((done.w_plus - w).numpy())
                errors[k, t] = float(((done.y_small - x) ** 2).mean())
                y, w = done.y_hat, done.w_plus
    assert np.allclose(run.maps, maps, rtol=1e-3, atol=1e-9)
    for t, step in enumerate(run.steps):
        assert step.image_change.mean == pytest.approx(
            (image_changes[:, t] / image_changes[:, 0]).mean(), rel=1e-3
        )
        assert step.code_change.mean == pytest.approx(
            (code_changes[:, t] / code_changes[:, 0]).mean(), rel=1e-3
        )
        assert step.metrics["l2_model"].mean == pytest.approx(errors[:, t].mean(), rel=1e-4)
        assert step.metrics["l2_model"].std == pytest.approx(errors[:, t].std(ddof=1), rel=1e-3)
    times = [step.seconds.mean for step in run.steps]
    assert 0 < times[0] < times[1] < times[2]


def test_consistency_and_edits_by_hand(
    make: Make, faces: Path, model: InversionModel, store: ModelStore
) -> None:
    evaluation = make(faces, limit=1, edit_photos=1)
    drive(evaluation)
    (result,) = evaluation.results
    direction = result.edits.directions[0]

    def invert(image: np.ndarray) -> InversionStep:
        steps = run_method("restyle", MethodInputs(model, image), MethodOptions(steps=3))
        return [step for step in steps if isinstance(step, InversionStep)][-1]

    with PillowImage.open(sorted(faces.iterdir())[0]) as picture:
        code = invert(np.array(picture)).w_plus
    move = np.float32(0.5 * direction.maximum) * direction.vector
    back = invert(render(model, code + move)).w_plus - move
    record = result.records[0]
    assert record.consistency == pytest.approx(float(np.sqrt(((code - back) ** 2).sum())), rel=1e-4)
    edit = next(e for e in record.edits if e.direction == direction.name and e.share == -0.5)
    edited = render(model, code + np.float32(0.5 * direction.minimum) * direction.vector)
    difference = (edited.astype(float) - render(model, code)) / 127.5
    assert edit.attribute == pytest.approx(float(np.sqrt((difference**2).mean())), rel=1e-4)
    assert 0 <= edit.drift <= 2
    whole = evaluation.records.load(result.keys[record.photo])
    assert whole is not None and whole.edit_pictures is not None
    assert np.array_equal(whole.edit_pictures[0][1], edited)


def test_every_method_that_needs_no_weights_runs(make: Make, faces: Path) -> None:
    evaluation = make(
        faces, methods="restyle_psp,idinvert,karras,karras_w_plus,hybrid,psp", limit=1, edit_photos=1
    )
    messages = drive(evaluation)
    report = make_report(evaluation, is_complete=True)
    assert [run.method for run in report.runs] == [
        "restyle_psp",
        "idinvert",
        "karras",
        "karras_w_plus",
        "hybrid",
    ]
    assert [one.method for one in report.left_out] == ["psp"]
    assert messages[-1].done == messages[-1].total == 5
    steps = {run.method: len(run.steps) for run in report.runs}
    assert steps["restyle_psp"] == 3 and steps["hybrid"] == 3 + 4
    content = report_object(report)
    assert json.loads(json.dumps(content, allow_nan=False)) == content
    for run in report.runs:
        assert run.consistency.count == 1 and run.directions
    text = markdown(report)
    assert "| Hybrid (restyle_psp.tiny) | 1 |" in text and "pSp: No one-pass" in text
    assert len(summary_csv(report).splitlines()) == 1 + sum(steps.values())
    assert len(photo_csv(report).splitlines()) == 1 + sum(steps.values())


def test_bad_photos_are_listed_and_stop_nothing(make: Make, faces: Path) -> None:
    (faces / "a_broken.png").write_bytes(b"not a picture")
    (faces / "b_empty.jpg").write_bytes(b"")
    save_picture(faces / "c_small.png", 1, width=10, height=10)
    save_picture(faces / "d_wide.png", 1, width=90, height=40)
    (faces / "e_folder.png").mkdir()
    (faces / "notes.txt").write_text("no picture")
    evaluation = make(faces, edit_photos=0)
    drive(evaluation)
    assert len(evaluation.results[0].records) == 3
    reasons = {problem.path.name: problem.reason for problem in evaluation.problems}
    assert set(reasons) == {"a_broken.png", "b_empty.jpg", "c_small.png", "d_wide.png"}
    assert "too small" in reasons["c_small.png"] and "square" in reasons["d_wide.png"]
    assert all(reason.endswith(".") for reason in reasons.values())


def test_photos_without_a_face_are_listed(make: Make, faces: Path) -> None:
    evaluation = make(faces, is_aligned=False)
    with pytest.raises(UserInputError, match="None of the 3 photos") as caught:
        drive(evaluation)
    assert "No face" in caught.value.hint
    assert len(evaluation.problems) == 3


def test_folders_without_pictures_are_refused(make: Make, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserInputError, match="no pictures"):
        drive(make(tmp_path / "empty"))
    with pytest.raises(UserInputError, match="no folder"):
        drive(make(tmp_path / "nowhere"))
    for steps in (0, 21):
        with pytest.raises(UserInputError, match="1 to 20"):
            make(tmp_path, steps=steps)


def test_a_stopped_run_goes_on_where_it_was(make: Make, faces: Path) -> None:
    first = make(faces, edit_photos=0)
    job = first.run()
    for message in job:
        if message.done == 2:
            break
    job.close()
    assert len(first.results[0].records) == 2
    again = make(faces, edit_photos=0)
    drive(again)
    assert again.reused == 2 and len(again.results[0].records) == 3
    for one, other in zip(first.results[0].records, again.results[0].records, strict=False):
        assert one.steps == other.steps
    whole = make(faces, edit_photos=0, is_fresh=True)
    drive(whole)
    assert whole.results[0].map_sum is not None and again.results[0].map_sum is not None
    assert np.allclose(whole.results[0].map_sum, again.results[0].map_sum, rtol=1e-5)
    assert whole.reused == 0


def test_results_of_other_options_or_pictures_are_not_taken(make: Make, faces: Path) -> None:
    drive(make(faces, edit_photos=0))
    for changed in (
        make(faces, edit_photos=0, steps=2),
        make(faces, edit_photos=3),
        make(faces, edit_photos=0, methods="hybrid"),
    ):
        drive(changed)
        assert changed.reused == 0
    save_picture(faces / "p0.png", 9, width=48, height=48)
    other = make(faces, edit_photos=0)
    drive(other)
    assert other.reused == 2


def test_a_damaged_result_is_measured_again(make: Make, faces: Path) -> None:
    first = make(faces, edit_photos=0)
    drive(first)
    files = sorted(first.records.folder.glob("*.npz"))
    files[0].write_bytes(files[0].read_bytes()[:200])
    files[1].write_bytes(b"")
    again = make(faces, edit_photos=0)
    drive(again)
    assert again.reused == 1 and len(again.results[0].records) == 3


def test_a_damaged_model_leaves_its_methods_out(make: Make, faces: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    write_tiny_model(folder)
    broken = write_tiny_model(folder, name="restyle_e4e.tiny", encoder_type="ProgressiveBackboneEncoder")
    store = ModelStore(tmp_path / "none", folder)
    tensors = store.tensors(broken)
    tensors["latent_avg"][0] = float("nan")
    tensors["encoder.input_layer.0.weight"].fill_(float("nan"))
    write_model(broken, tensors)
    evaluation = make(faces, methods="restyle_psp,restyle_e4e", models_store=store, edit_photos=0)
    drive(evaluation)
    assert [result.run.method.name for result in evaluation.results] == ["restyle_psp"]
    assert [one.method for one in evaluation.left_out] == ["restyle_e4e"]
    assert "no numbers" in evaluation.left_out[0].reason


def test_time_left_is_told_once_each_run_was_measured(make: Make, faces: Path) -> None:
    messages = drive(make(faces, methods="restyle_psp,hybrid", edit_photos=0))
    assert messages[0].left_s is None
    known = [m for m in messages if m.left_s is not None]
    assert known and known[-1].left_s == 0
    assert [m.done for m in messages] == sorted(m.done for m in messages)


def test_a_limit_spreads_over_the_folder(make: Make, tmp_path: Path) -> None:
    folder = tmp_path / "many"
    for k in range(7):
        save_picture(folder / f"p{k}.png", k, width=32, height=32)
    evaluation = make(folder, limit=3, edit_photos=1, shown=2)
    drive(evaluation)
    assert [photo.name for photo in evaluation.photos] == ["p0.png", "p3.png", "p6.png"]
    assert evaluation.shown == ("p0.png", "p6.png")
    edited = [record.photo for record in evaluation.results[0].records if record.edits]
    assert edited == ["p0.png"]
