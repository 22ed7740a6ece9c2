"""Autoencoder, ReStyle training and publishing with tiny networks."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage

from desktop_app.core.errors import UserInputError, WeightsError
from desktop_app.engine.invert.model import load_inversion_model
from desktop_app.engine.invert.restyle import invert
from desktop_app.engine.weights.store import ModelStore
from desktop_app.training.faces import AlignedPictures, Jitter
from desktop_app.training.generator import GeneratorConfig, GeneratorTraining, crosses
from desktop_app.training.inversion_losses import edge_l1, per_image_l2, pyramid_l1
from desktop_app.training.publish import Publication, publish_restyle
from desktop_app.training.restyle import RestyleConfig, RestyleTraining
from desktop_app.training.run_folder import RunFolder

TINY = GeneratorConfig(
    size=32,
    style_dim=16,
    n_mlp=2,
    channels={"4": 8, "8": 8, "16": 8, "32": 8},
    encoder_widths=(4, 8, 8, 16),
    encoder_units=(1, 1, 1, 1),
    images=16,
    sharpen_images=8,
    batch=4,
)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Twelve coloured squares of six people, two pictures each; the last two people are held out."""
    folder = tmp_path / "faces"
    folder.mkdir()
    random = np.random.default_rng(0)
    with (folder / "index.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle)
        writer.writerow(["file", "person", "split"])
        for person in range(6):
            colour = random.integers(0, 255, 3)
            for number in range(2):
                noise = random.integers(-20, 20, (40, 40, 3))
                picture = np.clip(colour + noise, 0, 255).astype(np.uint8)
                name = f"p{person}_{number}.png"
                PillowImage.fromarray(picture).save(folder / name)
                writer.writerow([name, f"p{person}", "val" if person >= 4 else "train"])
    return folder


def _trained(run: Path, data: Path, config: GeneratorConfig = TINY) -> GeneratorTraining:
    training = GeneratorTraining(config, data, RunFolder(run))
    for _ in training.steps():
        pass
    return training


def test_no_held_out_person_is_in_the_training_set(faces: Path) -> None:
    train = AlignedPictures(faces, "train", size=32)
    val = AlignedPictures(faces, "val", size=32)
    assert not set(train.people) & set(val.people)
    assert len(train) == 8 and len(val) == 4


def test_held_out_people_of_the_real_index_are_not_trained_on() -> None:
    data = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "faces" / "index.csv"
    if not data.is_file():
        pytest.skip("the aligned faces are not beside the repository")
    with data.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    train = {row["person"] for row in rows if row["split"] == "train"}
    val = {row["person"] for row in rows if row["split"] == "val"}
    assert train and val and not train & val


def test_each_person_weighs_the_same(faces: Path) -> None:
    with (faces / "index.csv").open("a", encoding="utf-8", newline="") as handle:
        for number in range(30):
            PillowImage.new("RGB", (40, 40), (255, 255, 255)).save(faces / f"many_{number}.png")
            csv.writer(handle).writerow([f"many_{number}.png", "many", "train"])
    pictures = AlignedPictures(faces, "train", size=32)
    batch = pictures.batch(500, None, torch.Generator().manual_seed(0))
    share = (batch.amin(dim=(1, 2, 3)) > 0.99).float().mean().item()
    assert 0.12 < share < 0.28  # one of five people, although 30 of 38 pictures


def test_jitter_keeps_range_and_moves_pictures(faces: Path) -> None:
    pictures = AlignedPictures(faces, "train", size=32)
    still = pictures.batch(4, None, torch.Generator().manual_seed(3))
    moved = pictures.batch(4, Jitter(), torch.Generator().manual_seed(3))
    assert moved.shape == still.shape and moved.abs().max() <= 1
    assert not torch.equal(moved, still)


def test_losses_agree_with_plain_formulas() -> None:
    x, y = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    assert per_image_l2(y, x)[1].item() == pytest.approx(float(np.mean((y[1] - x[1]).numpy() ** 2)), rel=1e-5)
    levels, a, b = [], y.numpy(), x.numpy()
    for _ in range(3):
        levels.append(np.abs(a - b).mean())
        a, b = (v.reshape(2, 3, v.shape[2] // 2, 2, v.shape[3] // 2, 2).mean(axis=(3, 5)) for v in (a, b))
    assert pyramid_l1(y, x, 3).item() == pytest.approx(np.mean(levels), rel=1e-5)
    d = (y - x).numpy()
    plain = np.abs(np.diff(d, axis=3)).mean() + np.abs(np.diff(d, axis=2)).mean()
    assert edge_l1(y, x).item() == pytest.approx(plain, rel=1e-5)


@pytest.mark.slow
def test_training_resumes_bit_exactly(tmp_path: Path, faces: Path) -> None:
    whole = _trained(tmp_path / "whole", faces)
    first = GeneratorTraining(TINY, faces, RunFolder(tmp_path / "parts"))
    steps = first.steps()
    for _ in range(3):
        next(steps)
    first.save()
    second = GeneratorTraining(TINY, faces, RunFolder(tmp_path / "parts"))
    assert second.restore()
    for _ in second.steps():
        pass
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key


def test_a_run_may_consist_of_the_discriminators_stage_alone(tmp_path: Path, faces: Path) -> None:
    training = _trained(tmp_path / "sharp", faces, replace(TINY, images=0))
    assert training.seen == 8 and training.adversary.state()["iteration"] == 2
    lines = (tmp_path / "sharp" / "statistics_9.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3 and "d_right" in lines[0]


@pytest.mark.slow
def test_published_model_loads_inverts_and_matches_its_card(tmp_path: Path, faces: Path) -> None:
    _trained(tmp_path / "generator", faces)
    run = RunFolder(tmp_path / "restyle")
    config = RestyleConfig(steps=3, passes=24, batch=4)
    training = RestyleTraining(config, RunFolder(tmp_path / "generator"), faces, run)
    before = {k: v.clone() for k, v in training.model.generator.state_dict().items()}
    for _ in training.train():
        pass
    for key, value in training.model.generator.state_dict().items():
        assert torch.equal(value, before[key]), f"the generator must stand still: {key}"
    words = Publication("restyle_psp.test", tmp_path / "models", "Test", "none", "squares")
    card = publish_restyle(run, faces, words)
    store = ModelStore(tmp_path / "models", tmp_path / "none")
    model = load_inversion_model(store, "restyle_psp.test", device=torch.device("cpu"))
    with PillowImage.open(faces / "p4_0.png") as picture:
        steps = list(invert(model, np.asarray(picture), steps=3))
    assert [s.index for s in steps] == [1, 2, 3]
    assert steps[0].relative_change == pytest.approx(1.0)
    assert float(card.facts["L2 of step 1, held-out people"]) > 0
    again = GeneratorTraining(TINY, faces, RunFolder(tmp_path / "again"))
    again.start_from(store, "restyle_psp.test")
    for key, value in model.generator.state_dict().items():
        assert torch.equal(again.model.generator.state_dict()[key], value), key
    assert torch.equal(again.average.w_avg, model.w_avg)
    larger = GeneratorTraining(
        replace(TINY, size=64, encoder_px=32, channels={**TINY.channels, "64": 8}),
        faces,
        RunFolder(tmp_path / "larger"),
    )
    larger.start_from(store, "restyle_psp.test")
    small_image = again.model.start(1)[0]
    with torch.no_grad():
        expected = larger.model.generator.to_rgbs[-1].upsample(small_image)
    difference = larger.model.start(1)[0] - larger.model.generator.to_rgbs[-1].bias - expected
    assert difference.abs().max() < 1e-5, "a grown model begins as the enlarged old one"
    card.weights_file.write_bytes(card.weights_file.read_bytes()[:-10] + bytes(range(10)))
    with pytest.raises(WeightsError, match="SHA-256"):
        load_inversion_model(
            ModelStore(tmp_path / "models", tmp_path), "restyle_psp.test", device=torch.device("cpu")
        )


def test_restyle_training_without_a_generator_says_so(tmp_path: Path, faces: Path) -> None:
    with pytest.raises(UserInputError, match="no checkpoint"):
        RestyleTraining(RestyleConfig(), RunFolder(tmp_path / "none"), faces, RunFolder(tmp_path / "run"))


def test_empty_folder_of_pictures_says_so(tmp_path: Path) -> None:
    with pytest.raises(UserInputError, match="No readable pictures"):
        GeneratorTraining(replace(TINY), tmp_path, RunFolder(tmp_path / "run"))


def test_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(WeightsError, match="damaged"):
        run.load()


def test_crosses_counts_multiples() -> None:
    assert crosses(90, 110, 100) and not crosses(100, 110, 100) and crosses(99, 100, 100)


def test_pictures_that_cannot_be_read_are_counted_and_named(faces: Path, tmp_path: Path) -> None:
    with (faces / "index.csv").open("a", encoding="utf-8", newline="") as handle:
        for number, split in enumerate(("train", "val", "train")):
            (faces / f"torn_{number}.png").write_bytes(b"\x89PNG torn")
            csv.writer(handle).writerow([f"torn_{number}.png", f"torn {number}", split])
    training = GeneratorTraining(TINY, faces, RunFolder(tmp_path / "run"))
    assert sorted(training.left_out) == ["torn_0.png", "torn_1.png", "torn_2.png"]
