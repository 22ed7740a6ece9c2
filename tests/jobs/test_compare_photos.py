"""The comparison of two photos of a library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import ComparePhotosRequest, PhotoComparison, PhotoSource, SharedColour
from desktop_app.engine.compare.patch_maps import PairFacts, PartFacts
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts
from desktop_app.engine.embed.preprocessing import Preprocessing
from desktop_app.jobs import compare_photos
from desktop_app.jobs.services import Services
from tests.engine.test_compare import _photo_encoder
from tests.engine.test_part_of import _scene
from tests.library import drive, index, open_services
from tests.pictures import picture, save_pictures


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Services]:
    save_pictures(tmp_path / "photos", 12)
    facts = EmbedderFacts("tiny.test", "", 24)
    embedder = Embedder(_photo_encoder(), Preprocessing(64), facts=facts, device=torch.device("cpu"))
    services = open_services(tmp_path, embedder=embedder)  # type: ignore[arg-type]
    index(services, tmp_path / "photos")
    yield services
    services.close()


def compare(services: Services, first: PhotoSource, second: PhotoSource) -> PhotoComparison:
    return drive(compare_photos.run(ComparePhotosRequest(first, second), services))[1]


def test_two_photos_are_compared_in_figures_and_words(library: Services) -> None:
    ids = library.vectors.photo_ids().tolist()
    found = compare(library, PhotoSource(photo_id=ids[0]), PhotoSource(photo_id=ids[1]))
    assert found.heats is not None and not found.heats[0].flags.writeable
    assert found.heat_boxes[0] == (0.0, 0.0, 1.0, 1.0)
    assert found.nearer_than is not None and 0 <= found.nearer_than <= 1
    assert "random pairs of the library" in found.reasons[0] and len(found.reasons) >= 3
    assert sum(part.added for part in found.parts) == pytest.approx(found.similarity, abs=1e-4)
    assert found.pictures[0].shape == (72, 96, 3)


def test_a_photo_and_itself(library: Services) -> None:
    one = library.vectors.photo_ids().tolist()[0]
    found = compare(library, PhotoSource(photo_id=one), PhotoSource(image=picture(0)))
    assert found.similarity > 0.9 and found.nearer_than == 1.0
    assert found.reasons[-1] == "Every part of each has its like in the other."
    assert found.reasons[0].startswith("They show one picture")
    assert "practically all random pairs" in found.reasons[1]
    assert found.reasons[2] == "The encoder finds shapes and fine shades nearly the same."


def test_reasons_say_how_unlike_two_photos_are() -> None:
    parts = (
        PartFacts("stage 1 of 1", 0.04, 0.2),
        PartFacts("kinds of things", -0.1, 0.77),
        PartFacts("colours", 0.02, 0.03),
    )
    heats = (np.full((3, 3), 0.1, np.float32),) * 2
    facts = PairFacts(-0.04, heats, (), parts)
    colours = tuple(SharedColour(name, (0, 0, 0), 0.2, 0.1) for name in ("red", "grey", "blue"))
    assert compare_photos._reasons(facts, colours, 0.2, is_one=False) == [
        "They are less alike than 80.0 % of random pairs of the library.",
        "The encoder finds the kind of thing not alike; shapes hardly alike; fine shades much alike.",
        "30 % of their colours are the same, above all red, grey and blue.",
        "No part of one has its like in the other.",
    ]


def test_a_photo_that_is_part_of_the_other_is_told() -> None:
    small, all_of_it, half = (np.zeros((10, 10), np.float32) for _ in range(3))
    small[:2, :5] = all_of_it[:9] = half[:5] = 0.9

    def words(first: np.ndarray, second: np.ndarray) -> str:
        return compare_photos._place_words((first, second), has_matches=True)

    assert words(all_of_it, small) == (
        "Nearly all of the first photo has its like in a small part of the second."
    )
    assert words(small, all_of_it) == (
        "Nearly all of the second photo has its like in a small part of the first."
    )
    assert words(half, all_of_it).startswith("50 % of the first and 90 % of the second photo")
    assert words(half, small).startswith("50 % of the first and 10 % of the second photo")
    assert words(small, small) == "Only small parts of them have their like in the other."


@pytest.mark.parametrize("is_mirrored", [False, True])
@pytest.mark.parametrize("inner", [0, 1])
def test_a_crop_is_framed_in_the_other_photo(library: Services, *, inner: int, is_mirrored: bool) -> None:
    whole = _scene(1)
    cut = whole[60:168, 80:224]  # .45 of each side
    part = np.ascontiguousarray(cut[:, ::-1] if is_mirrored else cut)
    photos = [PhotoSource(image=part), PhotoSource(image=whole)]
    found = compare(library, photos[inner], photos[1 - inner])
    assert found.part is not None and found.part.inner == inner and found.part.is_mirrored is is_mirrored
    assert found.part.box == pytest.approx((0.25, 0.25, 0.45, 0.45), abs=0.03)
    names = ("first", "second") if inner == 0 else ("second", "first")
    assert found.reasons[0].startswith(f"The {names[0]} photo is a part of the {names[1]}")
    assert ("mirrored" in found.reasons[0]) is is_mirrored and "its area" in found.reasons[0]
    assert not any("small parts" in reason for reason in found.reasons)
    assert found.heat_boxes[1 - inner] == pytest.approx(found.part.box)
    assert found.heats is not None and min(float(heat.mean()) for heat in found.heats) > 0.7
    for match in found.matches:  # places of the outer photo are told in its frame, as it is shown
        outer, own = (match.first, match.second) if inner == 1 else (match.second, match.first)
        assert own == pytest.approx((1 - outer[0] if is_mirrored else outer[0], outer[1]))


def test_photos_that_have_nothing_in_common_are_no_parts(library: Services) -> None:
    found = compare(library, PhotoSource(image=_scene(1)), PhotoSource(image=_scene(2)))
    assert found.part is None and not any("part of the" in reason for reason in found.reasons)


def test_unreadable_photos_and_foreign_encoders_are_told(library: Services, tmp_path: Path) -> None:
    one = PhotoSource(photo_id=library.vectors.photo_ids().tolist()[0])
    with pytest.raises(UserInputError, match="no longer in the library"):
        compare(library, one, PhotoSource(photo_id=999))
    other = open_services(tmp_path)
    with pytest.raises(UserInputError, match="cannot show what it compares"):
        compare(other, one, one)
    other.close()
