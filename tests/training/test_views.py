"""Views: shape, range, chance, and each change on its own."""

from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from desktop_app.training.config import ViewConfig
from desktop_app.training.views import draw_views

STILL = ViewConfig(
    min_area=1.0, max_stretch=1.0, brightness=0.0, contrast=0.0, saturation=0.0, grey=0.0, mirror=0.0
)
SQUARE = torch.ones(4)


def _pictures(count: int = 4, side: int = 16) -> Tensor:
    chance = torch.Generator().manual_seed(5)
    return torch.randint(0, 256, (count, 3, side, side), generator=chance, dtype=torch.uint8)


def _draw(config: ViewConfig, *, seed: int = 0, size: int = 16) -> Tensor:
    chance = torch.Generator().manual_seed(seed)
    return draw_views(_pictures(), SQUARE, size=size, config=config, generator=chance)


def _whole() -> Tensor:
    return _pictures().float() / 127.5 - 1.0


def test_without_any_change_the_view_is_the_picture() -> None:
    torch.testing.assert_close(_draw(STILL), _whole(), atol=1e-4, rtol=0)


def test_mirror_turns_left_and_right() -> None:
    mirrored = ViewConfig(
        min_area=1.0, max_stretch=1.0, brightness=0.0, contrast=0.0, saturation=0.0, mirror=1.0
    )
    torch.testing.assert_close(_draw(mirrored), _whole().flip(3), atol=1e-4, rtol=0)


def test_grey_views_have_equal_channels() -> None:
    view = _draw(ViewConfig(grey=1.0))
    torch.testing.assert_close(view[:, 0], view[:, 1])
    torch.testing.assert_close(view[:, 0], view[:, 2])


def test_a_turn_of_hue_keeps_light_and_strength_of_colour() -> None:
    turned = _draw(replace(STILL, hue=0.02), seed=2)
    still = _draw(STILL, seed=2)
    inside = (turned.abs() < 0.98).all(dim=1) & (still.abs() < 0.98).all(dim=1)
    assert inside.float().mean() > 0.5 and (turned - still).abs().max() > 0.02

    def light(x: Tensor) -> Tensor:
        return 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2]

    torch.testing.assert_close(light(turned)[inside], light(still)[inside], atol=1e-3, rtol=0)


def test_recompressed_views_are_as_many_as_asked_for_and_lose_detail() -> None:
    chance = torch.Generator().manual_seed(0)
    pictures = torch.randint(0, 256, (8, 3, 64, 64), generator=chance, dtype=torch.uint8)
    config = replace(STILL, recompress=0.5)
    view = draw_views(pictures, torch.ones(8), size=64, config=config, generator=chance)
    change = (view - (pictures.float() / 127.5 - 1.0)).abs().mean(dim=(1, 2, 3))
    assert int((change > 0.05).sum()) == 4 and int((change < 1e-3).sum()) == 4


def test_same_seed_same_views_and_other_seed_other_views() -> None:
    assert torch.equal(_draw(ViewConfig(), seed=3), _draw(ViewConfig(), seed=3))
    assert not torch.equal(_draw(ViewConfig(), seed=3), _draw(ViewConfig(), seed=4))


def test_every_picture_of_a_batch_gets_its_own_view() -> None:
    same = _pictures(1).expand(4, -1, -1, -1)
    chance = torch.Generator().manual_seed(0)
    views = draw_views(same, SQUARE, size=16, config=ViewConfig(), generator=chance)
    assert not torch.equal(views[0], views[1])


@settings(max_examples=30, deadline=None)
@given(
    ratio=st.floats(0.2, 5.0),
    area=st.floats(0.05, 1.0),
    size=st.sampled_from([8, 16, 20]),
    seed=st.integers(0, 10_000),
)
def test_views_of_any_shape_stay_inside_picture_and_range(
    ratio: float, area: float, size: int, seed: int
) -> None:
    # A crop that left the picture would show the mirrored other end of the ramp: values below its own.
    ramp = torch.arange(16, dtype=torch.uint8).mul(16).view(1, 1, 1, 16).expand(3, 3, 16, 16)
    config = ViewConfig(min_area=area, brightness=0.0, contrast=0.0, saturation=0.0, mirror=0.0)
    chance = torch.Generator().manual_seed(seed)
    view = draw_views(ramp, torch.full((3,), ratio), size=size, config=config, generator=chance)
    assert view.shape == (3, 3, size, size)
    assert view.abs().max() <= 1.0
    assert (view.diff(dim=3) >= -1e-3).all()
