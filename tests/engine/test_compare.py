"""Patches, parts and colours of two compared pictures."""

from __future__ import annotations

import numpy as np
import pytest
import timm
import torch

from desktop_app.core.types import Image
from desktop_app.engine.compare.colours import NAMED, colour_shares, shared_colours, to_lab
from desktop_app.engine.compare.patch_maps import (
    PartFacts,
    _joined_parts,
    compare_pair,
    feature_map,
    match_patches,
)
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts
from desktop_app.engine.embed.photo_encoder import EmbeddingShape, PhotoEncoder
from desktop_app.engine.embed.preprocessing import Fit, Preprocessing
from desktop_app.engine.embed.resnet50_encoder import ResNet50, ResNet50Shape
from desktop_app.engine.networks.resnet_small import ResNetShape
from tests.pictures import picture


def _embedder(
    network: object, side: int, *, preprocessing: Preprocessing | None = None, size: int = 24
) -> Embedder:
    facts = EmbedderFacts("test", "1", size)
    fitted = preprocessing or Preprocessing(side)
    return Embedder(network, fitted, facts=facts, device=torch.device("cpu"))  # type: ignore[arg-type]


def _photo_encoder(colour_size: int = 8) -> PhotoEncoder:
    torch.manual_seed(0)
    shape = EmbeddingShape(
        size=24, pool_power=3.0, colour_size=colour_size, colour_weight=0.7 if colour_size else 0.0
    )
    return PhotoEncoder(ResNetShape((8, 12, 16), (1, 1, 1)), shape).eval().requires_grad_(False)


@pytest.mark.parametrize("colour_size", [0, 8])
def test_parts_add_up_to_the_similarity(colour_size: int) -> None:
    embedder = _embedder(_photo_encoder(colour_size), 64)
    facts = compare_pair(embedder, picture(1), picture(2))
    rows = embedder.embed([picture(1), picture(2)])
    assert facts.similarity == pytest.approx(float(rows[0] @ rows[1]), abs=1e-5)
    assert sum(part.added for part in facts.parts) == pytest.approx(facts.similarity, abs=1e-5)
    assert all(part.most >= 0.02 for part in facts.parts)
    assert [part.name for part in facts.parts].count("colours") == bool(colour_size)


def test_parts_name_the_kinds_of_things_where_the_encoder_tells_them() -> None:
    torch.manual_seed(0)
    shape = EmbeddingShape(
        size=30, pool_power=3.0, colour_size=8, colour_weight=0.7, class_size=6, class_weight=1.3,
        learned_stages=2,
    )  # fmt: skip
    network = PhotoEncoder(ResNetShape((8, 12, 16), (1, 1, 1)), shape).eval().requires_grad_(False)
    facts = compare_pair(_embedder(network, 64, size=30), picture(1), picture(2))
    assert [part.name for part in facts.parts] == [
        "stage 1 of 2",
        "stage 2 of 2",
        "kinds of things",
        "colours",
    ]
    assert sum(part.added for part in facts.parts) == pytest.approx(facts.similarity, abs=1e-5)
    equal = compare_pair(_embedder(network, 64, size=30), picture(1), picture(1)).parts
    assert [part.added for part in equal] == pytest.approx([part.most for part in equal], abs=1e-4)
    assert {part.name: part.added for part in equal}["kinds of things"] == pytest.approx(
        1.3**2 / (1 + 0.7**2 + 1.3**2), abs=1e-4
    )


def test_parts_that_add_next_to_nothing_have_no_bar_of_their_own() -> None:
    parts = [
        PartFacts("stage 1 of 3", 0.004, -0.00066),
        PartFacts("stage 2 of 3", 0.05, 0.06),
        PartFacts("stage 3 of 3", 0.001, 0.005),
    ]
    joined = _joined_parts(parts)
    assert [part.name for part in joined] == ["stage 2 of 3"]
    assert sum(part.added for part in joined) == pytest.approx(sum(part.added for part in parts))
    assert sum(part.most for part in joined) == pytest.approx(sum(part.most for part in parts))


def test_each_part_of_two_equal_photos_is_full() -> None:
    network = _photo_encoder()
    network.whitening.matrix[:8] *= 0.01  # the first stage counts for nothing
    for number in range(3):
        one = picture(number)
        parts = compare_pair(_embedder(network, 64), one, one).parts
        assert "stage 1 of 3" not in [part.name for part in parts]
        assert sum(part.most for part in parts) == pytest.approx(1.0, abs=1e-4)
        assert min(part.most for part in parts) >= 0.02
        assert [part.added / part.most for part in parts] == pytest.approx([1.0] * len(parts), abs=1e-2)


def test_a_photo_matches_itself_everywhere() -> None:
    facts = compare_pair(_embedder(_photo_encoder(), 64), picture(1), picture(1))
    assert facts.similarity == pytest.approx(1.0, abs=1e-5) and facts.heats is not None
    assert facts.heats[0].min() > 0.99
    for match in facts.matches:
        assert match.first == match.second and match.similarity > 0.99


def test_matches_find_a_patch_that_moved() -> None:
    rng = np.random.default_rng(0)
    first = torch.from_numpy(rng.normal(size=(16, 6, 6)).astype(np.float32))
    second = torch.from_numpy(rng.normal(size=(16, 6, 6)).astype(np.float32))
    second[:, 4, 1] = first[:, 1, 3]
    heats, matches = match_patches(first, second)
    assert np.unravel_index(heats[0].argmax(), (6, 6)) == (1, 3)
    assert np.unravel_index(heats[1].argmax(), (6, 6)) == (4, 1)
    assert matches[0].first == pytest.approx((3.5 / 6, 1.5 / 6))
    assert matches[0].second == pytest.approx((1.5 / 6, 4.5 / 6))


def test_of_equal_matches_those_inside_that_stand_out_come_first() -> None:
    rng = np.random.default_rng(0)
    plain = np.repeat(rng.normal(size=(16, 1)), 64, axis=1).reshape(16, 8, 8)
    plain += 0.1 * rng.normal(size=plain.shape)
    plain[:, 4, 5] = rng.normal(size=16)
    both = torch.from_numpy(plain.astype(np.float32))
    matches = match_patches(both, both)[1]
    assert matches[0].first == pytest.approx((5.5 / 8, 4.5 / 8))
    assert all(0.13 < share < 0.87 for match in matches for share in match.first)


def test_plain_pictures_are_compared_without_trouble() -> None:
    black = np.zeros((40, 40, 3), np.uint8)
    facts = compare_pair(_embedder(_photo_encoder(), 64), black, black)
    assert np.isfinite(facts.similarity) and facts.heats is not None and np.isfinite(facts.heats[0]).all()


@pytest.mark.parametrize(
    ("name", "grid"),
    [
        ("resnet10t.c3_in1k", (2, 2)),
        ("vit_tiny_patch16_224", (14, 14)),
        ("swin_tiny_patch4_window7_224", (7, 7)),
    ],
)
def test_timm_networks_give_maps(name: str, grid: tuple[int, int]) -> None:
    network = timm.create_model(name, pretrained=False, num_classes=0).eval()
    side = 64 if name.startswith("resnet") else 224
    with torch.inference_mode():
        found = feature_map(network, torch.randn(2, 3, side, side))
    assert found is not None and tuple(found.shape[2:]) == grid and found.shape[1] == network.num_features


def test_resnet50_gives_maps_and_unknown_networks_none() -> None:
    network = ResNet50(ResNet50Shape(width=4, units=(1, 1, 1, 1))).eval()
    with torch.inference_mode():
        found = feature_map(network, torch.randn(2, 3, 64, 64))
        assert found is not None and tuple(found.shape) == (2, 128, 2, 2)
        x = torch.randn(1, 3, 64, 64)
        torch.testing.assert_close(feature_map(network, x).mean(dim=(2, 3)), network(x))
    assert feature_map(lambda x: x, torch.zeros(1, 3, 8, 8)) is None
    facts = compare_pair(_embedder(lambda x: x.mean(dim=(2, 3)), 8, size=3), picture(1), picture(2))
    assert facts.heats is None and facts.parts == () and facts.matches == ()


def test_seen_part_of_a_photo() -> None:
    squeezed = _embedder(_photo_encoder(), 64)
    assert squeezed.seen_box(picture(1)) == (0.0, 0.0, 1.0, 1.0)
    cropped = _embedder(_photo_encoder(), 64, preprocessing=Preprocessing(64, fit=Fit.CROP, crop_share=0.5))
    wide = np.zeros((100, 200, 3), np.uint8)
    assert cropped.seen_box(wide) == pytest.approx((0.375, 0.25, 0.25, 0.5))


def _plain(colour: tuple[int, int, int]) -> Image:
    return np.full((20, 20, 3), colour, np.uint8)


def test_colours_have_their_names_and_are_shared_where_both_hold_them() -> None:
    for name, rgb in NAMED.items():
        assert list(NAMED)[int(colour_shares(_plain(rgb)).argmax())] == name
    half = np.concatenate([_plain(NAMED["red"]), _plain(NAMED["blue"])])
    other = np.concatenate([_plain(NAMED["blue"]), _plain(NAMED["green"])])
    (shared,) = shared_colours(half, other)
    assert shared.name == "blue" and shared.first == pytest.approx(0.5, abs=0.05)
    assert shared_colours(_plain(NAMED["red"]), _plain(NAMED["green"])) == ()
    np.testing.assert_allclose(to_lab(np.array([[255, 255, 255]], np.uint8)), [[100, 0, 0]], atol=0.05)
