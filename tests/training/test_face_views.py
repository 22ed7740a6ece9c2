"""Views of faces: reproducible, in range, and without what they are told to do without."""

from __future__ import annotations

from dataclasses import replace

import torch

from desktop_app.training.config import FaceViewConfig
from desktop_app.training.face_views import draw_face_views

STILL = FaceViewConfig(
    rotation_deg=0, log_scale=0, log_stretch=0, shift=0, shear=0, gain=0, light=0, grey=0, soft=0, noise=0,
    hidden=0, mirror=0,
)  # fmt: skip


def _pictures() -> torch.Tensor:
    return torch.randint(
        0, 256, (12, 3, 96, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def _draw(config: FaceViewConfig, seed: int = 0) -> torch.Tensor:
    chance = torch.Generator().manual_seed(seed)
    return draw_face_views(_pictures(), size=96, config=config, generator=chance)


def test_views_follow_from_the_seed_and_stay_in_range() -> None:
    views = _draw(FaceViewConfig())
    assert torch.equal(views, _draw(FaceViewConfig()))
    assert not torch.equal(views, _draw(FaceViewConfig(), seed=1))
    assert views.shape == (12, 3, 96, 96) and views.abs().max() <= 1.0


def test_place_and_mirror_alone_leave_the_pixels_alone() -> None:
    wanted = _pictures().float() / 127.5 - 1.0
    same = _draw(STILL)
    # Gamma is drawn for every view; without it the picture is the same.
    order = torch.argsort(wanted.flatten(1), dim=1)
    sorted_views = torch.gather(same.flatten(1), 1, order)
    assert (sorted_views.diff(dim=1) > -1e-3).all()
    mirrored = _draw(replace(STILL, mirror=1.0))
    assert torch.allclose(mirrored, same.flip(3), atol=1e-4)


def test_grey_soft_and_hidden_views_are_what_they_say() -> None:
    grey = _draw(replace(STILL, grey=1.0))
    assert torch.allclose(grey[:, 0], grey[:, 2], atol=1e-6)
    soft, sharp = _draw(replace(STILL, soft=1.0)), _draw(STILL)
    assert soft.diff(dim=3).abs().mean() < 0.7 * sharp.diff(dim=3).abs().mean()
    hidden = _draw(replace(STILL, hidden=1.0))
    flat = (hidden.diff(dim=3).abs().sum(dim=1) == 0).flatten(1).sum(dim=1)
    assert (flat > 20).all()
