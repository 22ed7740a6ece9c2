"""Finding edit directions on faces with a tiny model, and measuring what they do."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import DirectionFacts, FloatArray, Image, Progress
from desktop_app.engine.edit.directions import edit_code, load_directions, make_direction, save_directions
from desktop_app.engine.invert.model import InversionModel, load_inversion_model
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training import edit_directions
from desktop_app.training.edit_boundaries import CodeSpace, conditional_normal, fit_boundary
from desktop_app.training.edit_directions import DirectionConfig, FoundDirections, find_directions
from desktop_app.training.edit_effects import EffectBench, Identity, Reader, make_reader, render_codes
from desktop_app.training.edit_labels import LABELS, Face, choose_faces, held_out, label_values
from desktop_app.training.edit_pages import direction_sheet, effects_table, write_sheets
from tests.tiny_inverter import MODEL, N_STYLES, STYLE_DIM, write_tiny_model


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Grey squares of every brightness, two of each of 90 people; the last 15 people are `val`."""
    folder = tmp_path / "faces"
    folder.mkdir()
    rng = np.random.default_rng(0)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "person", "split", "sex", "birth_year", "photo_year_about"])
        for number in range(180):
            person = number // 2
            level = int(rng.integers(10, 245))
            picture = np.full((32, 32, 3), level, dtype=np.uint8)
            picture[10:20, 10:20] = rng.integers(0, 255, 3)
            PillowImage.fromarray(picture).save(folder / f"{number}.png")
            split = "train" if person < 75 else "val"
            sex = "male" if level > 128 else "female"
            writer.writerow([f"{number}.png", f"p{person}", split, sex, "", "2020"])
    return folder


@pytest.fixture(autouse=True)
def few_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five labels on four faces are enough here."""
    few = tuple(one for one in LABELS if one.name in ("sex", "age", "light", "brightness", "warmth"))
    monkeypatch.setattr(edit_directions, "LABELS", few)
    monkeypatch.setattr(edit_directions, "MEASURED_CODES", 4)
    monkeypatch.setattr(edit_directions, "CALIBRATION_CODES", 2)


@pytest.fixture
def model(tmp_path: Path) -> InversionModel:
    write_tiny_model(tmp_path)
    return load_inversion_model(ModelStore(tmp_path, tmp_path), MODEL, device=torch.device("cpu"))


def _mean_colour(images: Sequence[Image]) -> FloatArray:
    """A judge of identity: mean colours as unit vectors."""
    rows = np.stack([image.reshape(-1, 3).mean(axis=0) - 100.0 for image in images])
    return (rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-6)).astype(np.float32)


def _found(model: InversionModel, config: DirectionConfig) -> FoundDirections:
    *told, result = find_directions(model, config, identity=Identity("colour", _mean_colour))
    assert all(isinstance(message, Progress) for message in told)
    assert isinstance(result, FoundDirections)
    return result


def test_directions_are_found_measured_and_the_same_again(model: InversionModel, faces: Path) -> None:
    config = DirectionConfig(faces, steps=2, principal=3, per_group=1)
    result = _found(model, config)
    kinds = {direction.kind for direction in result.directions}
    assert {"pca", "sefa"} <= kinds
    assert all(d.minimum < 0 < d.maximum for d in result.directions)
    assert all(d.vector.shape == (N_STYLES, STYLE_DIM) for d in result.directions)
    assert "age" not in result.facts  # no birth years in this index
    assert result.facts["sex"] > 0.8  # it follows the brightness here
    shares = [result.facts[f"pca.{k}"] for k in (1, 2, 3)]
    assert shares == sorted(shares, reverse=True)
    for direction in result.directions:
        assert direction.facts is not None and direction.facts.judge == "colour"
        sizes = [abs(value) for _, value in direction.facts.changes]
        assert sizes == sorted(sizes, reverse=True)
    again = _found(model, config)
    assert [d.name for d in again.directions] == [d.name for d in result.directions]
    for first, second in zip(result.directions, again.directions, strict=True):
        assert np.array_equal(first.vector, second.vector) and first.facts == second.facts


def test_a_labelled_direction_changes_its_own_property_by_one_deviation(
    model: InversionModel, faces: Path
) -> None:
    result = _found(model, DirectionConfig(faces, steps=2, principal=2, per_group=1))
    own = [d for d in result.directions if d.kind == "attribute" and ".keep." not in d.name]
    assert own, "the tiny model answers to brightness at least"
    labels = {label.name: label.label for label in LABELS}
    for direction in own:
        assert direction.facts is not None and direction.facts.accuracy is not None
        assert dict(direction.facts.changes)[labels[direction.name]] == pytest.approx(1.0, abs=0.26)


def test_no_held_out_person_of_the_data_is_ever_read(
    model: InversionModel, faces: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (faces / "index.csv").open(encoding="utf-8", newline="") as handle:
        val = {faces / row["file"] for row in csv.DictReader(handle) if row["split"] == "val"}
    for file in val:
        file.unlink()  # reading one would fail
    read: list[Path] = []
    plain = edit_directions.read_face
    monkeypatch.setattr(edit_directions, "read_face", lambda face: read.append(face.file) or plain(face))
    _found(model, DirectionConfig(faces, steps=1, principal=2, per_group=1))
    assert len(read) == 150 and not set(read) & val


def test_a_person_of_two_splits_is_left_out_and_people_stay_together(tmp_path: Path, faces: Path) -> None:
    with (faces / "index.csv").open("a", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerow(["0.png", "p3", "val", "", "", ""])
    chosen = choose_faces(faces, count=500, seed=1)
    assert "p3" not in {face.person for face in chosen} and len(chosen) == 148
    kept = held_out(chosen, share=0.25, seed=1)
    inside = {face.person for face, is_kept in zip(chosen, kept, strict=True) if is_kept}
    outside = {face.person for face, is_kept in zip(chosen, kept, strict=True) if not is_kept}
    assert not inside & outside and len(inside) == round(74 / 4)


def test_rare_labels_get_their_share_of_the_faces(faces: Path) -> None:
    rows = []
    with (faces / "index.csv").open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    for number, row in enumerate(rows):
        row["birth_year"] = "1950" if number in (7, 33, 90) else ""
    with (faces / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    chosen = choose_faces(faces, count=20, seed=5)
    assert sum(bool(face.row["birth_year"]) for face in chosen) == 3 and len(chosen) == 20


def test_a_boundary_finds_the_coordinate_and_holds_for_others() -> None:
    rng = np.random.default_rng(0)
    codes = rng.normal(size=(400, 2, 6)).astype(np.float32) * np.linspace(0.1, 3, 6, dtype=np.float32)
    space = CodeSpace.of(codes)
    rows = space.standardised(codes)
    values = 40 + 8 * rows[:, 4] + rng.normal(size=400)
    values[:20] = np.nan
    measured = np.arange(400) % 4 == 0
    boundary = fit_boundary(rows, values, measured=measured, seed=0)
    assert boundary is not None
    assert np.abs(boundary.normal).argmax() == 4 and boundary.normal[4] > 0
    assert boundary.accuracy > 0.9 and boundary.faces == 95
    noise = fit_boundary(rows, rng.normal(size=400), measured=measured, seed=0)
    assert noise is not None and noise.accuracy < 0.65
    assert fit_boundary(rows, np.full(400, 3.0), measured=measured, seed=0) is None
    few = np.where(np.arange(400) < 30, values, np.nan)
    assert fit_boundary(rows, few, measured=measured, seed=0) is None


def test_a_conditional_normal_keeps_the_distance_to_the_other_boundary() -> None:
    rng = np.random.default_rng(1)
    first, second = (v / np.linalg.norm(v) for v in rng.normal(size=(2, 30)))
    freed = conditional_normal(first, second)
    assert abs(freed @ second) < 1e-12 and np.linalg.norm(freed) == pytest.approx(1)
    assert freed @ first > 0
    assert np.array_equal(conditional_normal(first, first), first)


def test_unit_strength_is_found_and_a_picture_that_falls_apart_is_refused(model: InversionModel) -> None:
    codes = 0.2 * np.random.default_rng(0).normal(size=(3, N_STYLES, STYLE_DIM)).astype(np.float32)
    direction = np.random.default_rng(1).normal(size=(N_STYLES, STYLE_DIM)).astype(np.float32)

    def brightness(images: Sequence[Image]) -> np.ndarray:
        return np.array([image.mean() for image in images])

    bench = EffectBench(model, codes, readers=[])
    slope = float(
        np.mean(brightness(bench.render(codes + 0.1 * direction)))
        - np.mean(brightness(bench.render(codes - 0.1 * direction)))
    )
    direction *= np.sign(slope)
    reader = Reader("b", "Bright", brightness, spread=abs(slope))
    bench = EffectBench(model, codes, readers=[reader], identity=Identity("colour", _mean_colour))
    answer = bench.unit_strength(direction, "b", start=0.03)
    assert answer is not None
    strength, effect = answer
    assert effect.changes["b"] == pytest.approx(1.0, abs=0.06) and 0.05 < strength < 0.8
    assert bench.identity_of((bench.render(codes),)) == pytest.approx(1.0, abs=1e-5)
    dull = EffectBench(model, codes, readers=[replace(reader, spread=1e6)])
    assert dull.unit_strength(direction, "b", start=0.03) is None


def test_a_probe_reads_a_label_off_pixels_and_a_rule_is_its_own_reader() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 60, (40, 40, 3)).astype(np.uint8) for _ in range(80)]
    values = np.arange(80) % 2.0
    for picture, value in zip(pictures, values, strict=True):
        picture[:, 20:] += np.uint8(40 * value)
    sex = next(label for label in LABELS if label.name == "sex")
    reader = make_reader(sex, pictures[:60], values[:60])
    assert reader is not None
    guessed = reader.read(pictures[60:])
    assert np.corrcoef(guessed, values[60:])[0, 1] > 0.8
    assert make_reader(sex, pictures[:60], np.full(60, np.nan)) is None
    light = next(label for label in LABELS if label.name == "light")
    rule = make_reader(light, pictures, values)
    assert rule is not None and light.of_picture is not None
    assert rule.read(pictures[:2])[1] == light.of_picture(pictures[1])


def test_a_slider_ends_where_the_person_would_be_lost(model: InversionModel) -> None:
    codes = np.zeros((2, N_STYLES, STYLE_DIM), dtype=np.float32)
    codes[1] += 0.5
    direction = make_direction("x", "X", "attribute", vector=np.ones((N_STYLES, STYLE_DIM)), reach=(-3, 3))
    plain = render_codes(model, codes)
    reach = {end: [i.mean() for i in render_codes(model, codes + np.float32(end))] for end in (-3, 3)}

    def far_right_is_another(images: Sequence[Image]) -> FloatArray:
        lost = [abs(i.mean() - m) < 0.01 for i, m in zip(images, reach[3], strict=True)]
        mine = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
        rows = [[0.0, 0.0, 1.0] if is_lost else mine[k] for k, is_lost in enumerate(lost)]
        return np.array(rows, dtype=np.float32)

    assert abs(plain[0].mean() - reach[3][0]) > 0.01
    bench = EffectBench(model, codes, readers=[], identity=Identity("test", far_right_is_another))
    limited = edit_directions._while_the_face_stays(direction, bench)
    assert limited.minimum == -3 and limited.maximum == pytest.approx(3 * 0.82, abs=0.05)
    free = EffectBench(model, codes, readers=[])
    assert edit_directions._while_the_face_stays(direction, free) is direction
    assert math.isnan(free.strangers)


def test_a_conditional_direction_must_be_a_relief() -> None:
    def labelled(changes: dict[str, float], identity: float) -> edit_directions._Labelled:
        effect = edit_directions.Effect(changes, identity, 0.1)
        vector = np.ones((1, 1), dtype=np.float32)
        boundary = edit_directions.Boundary(np.ones(1), 0.9, 50)
        return edit_directions._Labelled("a", "A", np.ones(1), vector, boundary, effect)

    one = labelled({"a": 1.0, "b": 0.8, "c": 0.1}, 0.9)

    def is_relief(identity: float = 0.9, **changes: float) -> bool:
        return edit_directions._is_relief(one, edit_directions.Effect(changes, identity, 0.1), "b")

    assert is_relief(a=1.0, b=0.2, c=0.3)
    assert not is_relief(a=1.0, b=0.7, c=0.1), "it takes too little away"
    assert not is_relief(a=1.0, b=0.1, c=0.9), "it brings another change"
    assert not is_relief(0.5, a=1.0, b=0.1, c=0.1), "it loses the person"
    assert is_relief(math.nan, a=1.0, b=0.1, c=0.1), "nobody judges"


def test_an_unlabelled_direction_is_named_after_what_it_clearly_changes(model: InversionModel) -> None:
    codes = np.zeros((2, N_STYLES, STYLE_DIM), dtype=np.float32)
    vector = 0.3 * np.random.default_rng(2).normal(size=(N_STYLES, STYLE_DIM)).astype(np.float32)
    plain = make_direction("pca.1", "Principal direction 1", "pca", vector=vector, reach=(-2, 1))

    def read(images: Sequence[Image]) -> np.ndarray:
        return np.array([float(image.mean()) for image in images])

    change = float(
        (read(render_codes(model, codes + vector)) - read(render_codes(model, codes - vector))).mean()
    )
    dark = Reader("dark", "Dark", lambda images: -np.sign(change) * read(images), spread=abs(change) / 2)
    named = edit_directions._named_by_effect(plain, EffectBench(model, codes, readers=[dark]))
    assert named.label == "Principal direction 1: dark" and named.facts is not None
    assert named.facts.changes[0][1] == pytest.approx(1.0, abs=0.02)
    assert (named.minimum, named.maximum) == (-1, 2) and np.array_equal(named.vector, -vector)
    weak = Reader("dark", "Dark", read, spread=10 * abs(change))
    assert (
        edit_directions._named_by_effect(plain, EffectBench(model, codes, readers=[weak])).label
        == plain.label
    )


def test_facts_survive_the_file_and_old_files_have_none(tmp_path: Path) -> None:
    vector = np.ones((N_STYLES, STYLE_DIM), dtype=np.float32)
    facts = DirectionFacts(0.91, 120, 1.0, (("Age", 1.0), ("Glasses", -0.4)), 0.8, 0.1, "judge")
    first = replace(make_direction("a", "A", "attribute", vector=vector), facts=facts)
    second = make_direction("b", "B", "pca", vector=vector)
    save_directions(tmp_path, "m", directions=[first, second], sha256="0")
    loaded = load_directions(tmp_path, "m", shape=(N_STYLES, STYLE_DIM), sha256="0")
    assert loaded is not None
    assert loaded[0].facts == facts == loaded[0].info.facts and loaded[1].facts is None


def test_turning_a_slider_round_turns_its_ends_and_changes() -> None:
    vector = np.ones((2, 3), dtype=np.float32)
    facts = DirectionFacts(changes=(("Age", -2.0),))
    direction = replace(make_direction("p", "P", "pca", vector=vector, reach=(-1, 2)), facts=facts)
    turned = edit_directions._turned(direction)
    assert (turned.minimum, turned.maximum) == (-2, 1) and turned.facts is not None
    assert turned.facts.changes == (("Age", 2.0),) and np.array_equal(turned.vector, -vector)


def test_sheets_and_table_show_every_direction(tmp_path: Path, model: InversionModel) -> None:
    vector = 0.1 * np.ones((N_STYLES, STYLE_DIM), dtype=np.float32)
    facts = DirectionFacts(
        0.91, 120, 1.0, (("Age", 1.0), ("Glasses", -0.4), ("Light", 0.01)), 0.8, 0.1, "judge"
    )
    direction = replace(make_direction("a.b", "A", "attribute", vector=vector), facts=facts)
    codes = np.zeros((2, N_STYLES, STYLE_DIM), dtype=np.float32)
    sheet = direction_sheet(model, direction, codes)
    middle = render_codes(model, codes[:1])[0]
    assert sheet.shape == (2 * 32 + 4, 5 * 32 + 16, 3)
    assert np.array_equal(sheet[:32, 72:104], middle), "the unchanged face stands in the middle"
    assert not np.array_equal(sheet[:32, :32], middle)
    assert [file.name for file in write_sheets(tmp_path / "s", model, [direction], codes=codes)] == [
        "a.b.png"
    ]
    text = effects_table("m", [direction, make_direction("c", "C", "sefa", vector=vector)])
    assert (
        "0.91 of 120" in text and "Age +1.00; Glasses -0.40" in text and "Light" not in text.split("`a.b`")[1]
    )
    assert "different people: 0.10" in text and "| `c` |" in text


def test_without_faces_it_says_so(tmp_path: Path, model: InversionModel, faces: Path) -> None:
    with pytest.raises(UserInputError, match=r"index\.csv"):
        list(find_directions(model, DirectionConfig(tmp_path)))
    (faces / "3.png").unlink()
    with pytest.raises(UserInputError, match="cannot be read"):
        list(find_directions(model, replace(DirectionConfig(faces), steps=1)))


def test_labels_read_the_index() -> None:
    labels = {label.name: label for label in LABELS}
    picture = np.full((64, 64, 3), 100, dtype=np.uint8)

    def value(name: str, **row: str) -> float:
        return labels[name].value(Face(Path("x"), row), picture)

    assert value("age", photo_year_about="2020", birth_year="1980") == 40
    assert value("age", photo_year_about="", birth_year="1980") == -1980
    assert np.isnan(value("age", photo_year_about="2020", birth_year=""))
    assert value("sex", sex="Male") == 1 and value("sex", sex="female") == 0
    assert np.isnan(value("sex", sex="")) and np.isnan(value("sex"))
    assert value("light") == pytest.approx(0)


def test_moving_along_a_found_direction_is_an_edit(model: InversionModel, faces: Path) -> None:
    result = _found(model, DirectionConfig(faces, steps=1, principal=2, per_group=1))
    first = result.directions[0]
    code = np.zeros((N_STYLES, STYLE_DIM), dtype=np.float32)
    moved = edit_code(code, result.directions, ((first.name, first.maximum),))
    assert moved == pytest.approx(first.maximum * first.vector)


def test_only_a_face_model_gets_labelled_directions(tmp_path: Path, faces: Path) -> None:
    write_tiny_model(tmp_path, name="restyle_psp.horses", domain="horses")
    store = ModelStore(tmp_path, tmp_path)
    horses = load_inversion_model(store, "restyle_psp.horses", device=torch.device("cpu"))
    result = _found(horses, DirectionConfig(faces, steps=1, principal=2, per_group=1))
    assert {d.kind for d in result.directions} == {"pca", "sefa"}


def test_ages_are_compared_within_one_source_and_decade_alone(tmp_path: Path) -> None:
    def face(source: str, born: int, year: str) -> Face:
        row = {"source": source, "birth_year": str(born), "photo_year_about": year}
        return Face(tmp_path / "any.png", row)

    old = [face("archive", 1900 + k, "1975") for k in range(21)]
    new = [face("archive", 1950 + k, "2012") for k in range(21)]
    undated = [face("council", 1960 + k, "") for k in range(21)]
    few = [face("club", 1960 + k, "") for k in range(5)]
    faces = [*old, *new, *undated, *few]
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    column = [label.name for label in LABELS].index("age")
    read = np.array([[label.value(one, image) for label in LABELS] for one in faces])
    ages = label_values(LABELS, faces, read)[:, column]
    for start in (0, 21, 42):
        assert ages[start : start + 21].tolist() == [10.0 - k for k in range(21)], "older first, middle at 0"
    assert np.isnan(ages[63:]).all(), "too few of a kind to compare"
    others = [k for k in range(len(LABELS)) if k != column]
    assert np.array_equal(label_values(LABELS, faces, read)[:, others], read[:, others], equal_nan=True)
