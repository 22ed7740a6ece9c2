"""Pooling, projection, whitening, and the backbone they stand behind."""

from __future__ import annotations

import pytest
import torch

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.photo_encoder import (
    EmbeddingShape,
    PhotoEncoder,
    build_photo_encoder,
    calibrate,
)
from desktop_app.engine.networks.contrastive_heads import ProjectionHead, Whitening, pool_stages
from desktop_app.engine.networks.resnet_small import (
    ResNetShape,
    SmallResNet,
    map_sides,
    shape_from_config,
)

SHAPE = ResNetShape((8, 12, 16), (1, 1, 2))
CONFIG = {"widths": [8, 12, 16], "blocks": [1, 1, 2], "embedding_size": 10, "pool_power": 3.0}


def _chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("side", [32, 64, 66])
def test_backbone_gives_a_map_of_every_stage(side: int) -> None:
    maps = SmallResNet(SHAPE).eval()(torch.rand(2, 3, side, side, generator=_chance()))
    assert [tuple(m.shape[2:]) for m in maps] == [(s, s) for s in map_sides(side, SHAPE)]
    assert [m.shape[1] for m in maps] == list(SHAPE.widths)
    assert all((m >= 0).all() for m in maps)


def test_pooling_is_the_generalised_mean() -> None:
    one = torch.rand(2, 3, 4, 5, generator=_chance(1), dtype=torch.float64) + 0.1
    two = torch.rand(2, 2, 2, 2, generator=_chance(2), dtype=torch.float64) + 0.1
    pooled = pool_stages([one, two], power=3.0)
    assert pooled.shape == (2, 5)
    for row in range(2):
        for channel in range(3):
            values = [float(v) ** 3 for v in one[row, channel].flatten()]
            assert pooled[row, channel].item() == pytest.approx((sum(values) / 20) ** (1 / 3), rel=1e-5)
    torch.testing.assert_close(pool_stages([two], power=1.0), two.mean(dim=(2, 3)).float())


def test_pooling_of_an_empty_map_has_a_finite_slope() -> None:
    dark = torch.zeros(1, 2, 3, 3, requires_grad=True)
    pool_stages([dark], power=3.0).sum().backward()
    assert dark.grad is not None
    assert dark.grad.isfinite().all()


def test_projections_have_unit_length() -> None:
    head = ProjectionHead(6, hidden=8, out=4)
    out = head(torch.randn(5, 6, generator=_chance()))
    torch.testing.assert_close(out.norm(dim=1), torch.ones(5))


def test_full_whitening_makes_directions_even_and_uncorrelated() -> None:
    mixed = torch.randn(4000, 6, generator=_chance()) @ torch.randn(6, 6, generator=_chance(1)) + 3.0
    whitening = Whitening(6, 4)
    whitening.fit(mixed, power=0.5)
    raw = (mixed - whitening.mean) @ whitening.matrix
    covariance = raw.T @ raw / (len(raw) - 1)
    # The floor of a thousandth of the widest axis leaves the narrower ones slightly below one.
    torch.testing.assert_close(covariance, torch.diag(covariance.diagonal()), atol=1e-3, rtol=0)
    assert ((covariance.diagonal() > 0.9) & (covariance.diagonal() <= 1.001)).all()
    torch.testing.assert_close(whitening(mixed).norm(dim=1), torch.ones(4000))


def test_no_whitening_keeps_distances_apart_from_the_mean() -> None:
    points = torch.randn(200, 5, generator=_chance())
    whitening = Whitening(5, 5)
    whitening.fit(points, power=0.0)
    turned = (points - whitening.mean) @ whitening.matrix
    torch.testing.assert_close(torch.pdist(turned), torch.pdist(points), atol=1e-4, rtol=1e-4)


def test_whitening_survives_equal_pictures() -> None:
    whitening = Whitening(5, 3)
    whitening.fit(torch.ones(10, 5), power=0.5)
    assert whitening(torch.rand(2, 5, generator=_chance())).isfinite().all()


def test_calibration_does_not_depend_on_chance_or_on_old_statistics() -> None:
    torch.manual_seed(0)
    encoder = PhotoEncoder(SHAPE, EmbeddingShape(size=10, pool_power=3.0))
    batches = [torch.rand(8, 3, 32, 32, generator=_chance(i)) for i in range(3)]
    calibrate(encoder, batches, whiten_power=0.25)
    assert not encoder.training
    first = encoder(batches[0])
    encoder.train()(torch.rand(8, 3, 32, 32) * 9)  # disturbs the running statistics
    calibrate(encoder, batches, whiten_power=0.25)
    torch.testing.assert_close(encoder(batches[0]), first, atol=1e-4, rtol=1e-4)


def test_mirror_image_has_the_same_embedding() -> None:
    torch.manual_seed(0)
    encoder = PhotoEncoder(SHAPE, EmbeddingShape(size=10, pool_power=3.0))
    x = torch.rand(8, 3, 32, 32, generator=_chance())
    calibrate(encoder, [x], whiten_power=0.25)
    torch.testing.assert_close(encoder(x), encoder(x.flip(3)), atol=1e-5, rtol=1e-5)


def test_a_short_precision_of_the_maps_hardly_moves_an_embedding() -> None:
    torch.manual_seed(0)
    shape = EmbeddingShape(
        size=30, pool_power=3.0, colour_size=8, colour_weight=0.5, class_size=10, class_weight=1.0
    )
    encoder = PhotoEncoder(SHAPE, shape)
    x = torch.rand(16, 3, 32, 32, generator=_chance()) * 2 - 1
    calibrate(encoder, [x], whiten_power=0.25)
    exact = encoder(x)
    encoder.maps_dtype = torch.bfloat16
    short = encoder(x)
    assert short.dtype == torch.float32 and not torch.equal(short, exact)
    assert float((short * exact).sum(dim=1).min().detach()) > 0.999


def test_encoder_is_rebuilt_from_card_and_weights() -> None:
    torch.manual_seed(0)
    encoder = PhotoEncoder(SHAPE, EmbeddingShape(size=10, pool_power=3.0))
    x = torch.rand(4, 3, 32, 32, generator=_chance())
    calibrate(encoder, [x], whiten_power=0.25)
    rebuilt = build_photo_encoder(CONFIG, encoder.state_dict(), what="test")
    torch.testing.assert_close(rebuilt(x), encoder(x))
    assert not any(p.requires_grad for p in rebuilt.parameters())


def test_colour_branch_joins_the_embedding_and_the_card() -> None:
    torch.manual_seed(0)
    shape = EmbeddingShape(size=14, pool_power=3.0, colour_size=4, colour_weight=0.5)
    encoder = PhotoEncoder(SHAPE, shape)
    x = torch.rand(12, 3, 32, 32, generator=_chance()) * 2 - 1
    calibrate(encoder, [x], whiten_power=0.25)
    parts = encoder.branches(x)
    learned, colours = parts.learned, parts.colours
    assert colours is not None and learned.shape == (12, 10) and colours.shape == (12, 4)
    assert parts.kinds is None
    expected = torch.cat([learned, 0.5 * colours], dim=1) / 1.25**0.5
    torch.testing.assert_close(encoder(x), expected)
    config = {**CONFIG, "embedding_size": 14, "colour_size": 4, "colour_weight": 0.5}
    torch.testing.assert_close(build_photo_encoder(config, encoder.state_dict(), what="t")(x), encoder(x))


def test_head_for_kinds_joins_the_embedding_and_sees_the_last_stage() -> None:
    torch.manual_seed(0)
    shape = EmbeddingShape(
        size=19, pool_power=3.0, colour_size=4, colour_weight=0.5, class_size=5, class_weight=2.0,
        learned_stages=2,
    )  # fmt: skip
    encoder = PhotoEncoder(SHAPE, shape)
    x = torch.rand(24, 3, 32, 32, generator=_chance()) * 2 - 1
    calibrate(encoder, [x[:12], x[12:]], whiten_power=0.25)
    parts = encoder.branches(x)
    assert parts.kinds is not None and parts.kinds.shape == (24, 5) and parts.learned.shape == (24, 10)
    torch.testing.assert_close(parts.kinds.norm(dim=1), torch.ones(24))
    expected = torch.cat([parts.learned, 0.5 * parts.colours, 2.0 * parts.kinds], dim=1) / 5.25**0.5
    torch.testing.assert_close(encoder(x), expected)
    torch.testing.assert_close(encoder(x.flip(3)), encoder(x), atol=1e-5, rtol=1e-5)
    before = encoder.branches(x)
    with torch.no_grad():
        for weight in encoder.backbone.stages[2].parameters():
            weight.mul_(1.5)
    after = encoder.branches(x)
    assert torch.equal(after.learned, before.learned) and not torch.allclose(after.kinds, before.kinds)
    config = {
        **CONFIG, "embedding_size": 19, "colour_size": 4, "colour_weight": 0.5, "class_size": 5,
        "class_weight": 2.0, "learned_stages": 2,
    }  # fmt: skip
    torch.testing.assert_close(build_photo_encoder(config, encoder.state_dict(), what="t")(x), encoder(x))


def test_weights_that_do_not_fit_are_named() -> None:
    tensors = PhotoEncoder(SHAPE, EmbeddingShape(size=10, pool_power=3.0)).state_dict()
    del tensors["whitening.mean"]
    tensors["surplus"] = torch.zeros(1)
    with pytest.raises(WeightsError, match=r"whitening\.mean.*surplus"):
        build_photo_encoder(CONFIG, tensors, what="test")


@pytest.mark.parametrize(
    "change",
    [
        {"widths": [8, 12]},
        {"widths": []},
        {"blocks": [0, 1, 1]},
        {"widths": "wide"},
        {"embedding_size": 37},
        {"embedding_size": 0},
        {"pool_power": 0.5},
        {"colour_size": 10},
        {"colour_size": -1},
        {"colour_weight": -0.5},
        {"class_size": 10},
        {"class_size": -1},
        {"class_size": 4, "class_weight": -1.0},
        {"learned_stages": 4},
        {"learned_stages": 1, "embedding_size": 9},
        {"pool_power": None},
    ],
)
def test_cards_that_make_no_network_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(WeightsError):
        build_photo_encoder({**CONFIG, **change}, {}, what="test")


def test_card_without_widths_is_refused() -> None:
    with pytest.raises(WeightsError, match="widths"):
        shape_from_config({"blocks": [1]})
