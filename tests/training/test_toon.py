"""Filters that draw and paint, and the training pairs made with them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PillowImage
from PIL import ImageDraw

from desktop_app.core.errors import UserInputError
from desktop_app.training.faces import AlignedPictures, Jitter
from desktop_app.training.generator import GeneratorTraining
from desktop_app.training.publish import Publication, publish_restyle
from desktop_app.training.restyle import RestyleConfig, RestyleTraining
from desktop_app.training.run_folder import RunFolder
from desktop_app.training.toon import EYES, FILTERS, filter_of, toon
from tests.training.test_face_training import TINY, faces  # noqa: F401


def _portrait(side: int = 128) -> np.ndarray:
    """A drawn face with grain: eyes where the framing puts them."""
    picture = PillowImage.new("RGB", (side, side), (90, 110, 130))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((side * 0.22, side * 0.12, side * 0.78, side * 0.95), fill=(205, 160, 135))
    for x, y in EYES:
        r = side * 0.03
        draw.ellipse((side * x - r, side * y - r, side * x + r, side * y + r), fill=(40, 30, 30))
    grain = np.random.default_rng(0).normal(0, 7, (side, side, 3))
    return np.clip(np.asarray(picture) + grain, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_filter_is_deterministic_keeps_the_size_and_leaves_its_input_alone(name: str) -> None:
    image = _portrait(96)
    before = image.copy()
    first, second = filter_of(name)(image), filter_of(name)(image)
    assert np.array_equal(first, second) and np.array_equal(image, before)
    assert first.shape == image.shape and first.dtype == np.uint8 and first.flags.c_contiguous


@pytest.mark.parametrize("name", sorted(FILTERS))
def test_filter_flattens_quiet_areas_and_keeps_contours(name: str) -> None:
    image = _portrait()
    changed = filter_of(name)(image)
    cheek = np.s_[80:92, 46:56]
    assert changed[cheek].std(axis=(0, 1)).mean() < 0.4 * image[cheek].std(axis=(0, 1)).mean()
    gray, drawn = image.mean(axis=2), changed.mean(axis=2)
    step = abs(gray[70, 20:26].mean() - gray[70, 34:40].mean())
    assert abs(drawn[70, 20:26].mean() - drawn[70, 34:40].mean()) > 0.6 * step


def test_toon_enlarges_eyes_and_nothing_far_from_them() -> None:
    image = _portrait()
    dark, drawn_dark = image.mean(axis=2) < 80, toon(image).mean(axis=2) < 80
    eyes = np.s_[45:76, 30:98]
    assert drawn_dark[eyes].sum() > 1.8 * dark[eyes].sum()


def test_unknown_filter_names_the_known_ones() -> None:
    with pytest.raises(UserInputError) as caught:
        filter_of("oil")
    assert "toon" in str(caught.value.hint)


def test_twins_are_moved_like_their_pictures(faces: Path) -> None:  # noqa: F811
    pictures = AlignedPictures(faces, "train", size=32, filter_name="paint")
    plain = AlignedPictures(faces, "train", size=32)
    x, target = pictures.pairs(6, Jitter(), torch.Generator().manual_seed(4))
    assert torch.equal(x, plain.batch(6, Jitter(), torch.Generator().manual_seed(4)))
    assert x.shape == target.shape == (6, 3, 32, 32) and not torch.equal(x, target)
    # coloured squares: the painted one has nearly the same mean colour as its own picture only
    distance = (x.mean(dim=(2, 3))[:, None] - target.mean(dim=(2, 3))[None]).norm(dim=2)
    own = distance.diagonal()
    assert (own <= distance.median(dim=1).values).all()


@pytest.mark.slow
def test_a_toon_generator_resumes_exactly_and_its_model_says_its_domain(
    tmp_path: Path,
    faces: Path,  # noqa: F811
) -> None:
    config = replace(TINY, filter="toon")
    whole = GeneratorTraining(config, faces, RunFolder(tmp_path / "whole"))
    list(whole.steps())
    first = GeneratorTraining(config, faces, RunFolder(tmp_path / "parts"))
    steps = first.steps()
    for _ in range(3):
        next(steps)
    first.save()
    second = GeneratorTraining(config, faces, RunFolder(tmp_path / "parts"))
    assert second.restore()
    list(second.steps())
    for key, value in whole.model.state_dict().items():
        assert torch.equal(value, second.model.state_dict()[key]), key
    run = RunFolder(tmp_path / "restyle")
    training = RestyleTraining(
        RestyleConfig(steps=2, passes=16, batch=4), RunFolder(tmp_path / "whole"), faces, run
    )
    assert training.generator_config.filter == "toon"
    list(training.train())
    card = publish_restyle(
        run, faces, Publication("toon.test", tmp_path / "models", "Test", "none", "squares")
    )
    assert card.config["domain"] == "toon"
