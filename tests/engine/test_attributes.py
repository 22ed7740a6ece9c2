"""Attributes that are read off a face: each answers to what it is named after."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.core.types import Image
from desktop_app.engine.edit.attributes import ATTRIBUTES, background, light_side, smile, warmth

GREY = 110


def plain() -> Image:
    return np.full((100, 100, 3), GREY, dtype=np.uint8)


def test_a_plain_picture_has_none_of_them() -> None:
    values = {one.name: one.value(plain()) for one in ATTRIBUTES}
    assert values == pytest.approx({"smile": 0, "light": 0, "background": GREY / 255, "warmth": 0})


def test_each_answers_to_its_own_part() -> None:
    teeth, lit, wall, warm = plain(), plain(), plain(), plain()
    teeth[70:76, 44:56] = 250
    lit[40:75, 54:70] += 51
    wall[:25] = 255
    warm[40:75, 30:70, 0] += 51
    assert smile(teeth) == pytest.approx((250 - GREY) / 255)
    assert light_side(lit) == pytest.approx(0.2) and light_side(lit[:, ::-1]) == pytest.approx(-0.2)
    assert background(wall) == pytest.approx(1.0) and background(teeth) == background(plain())
    assert warmth(warm) == pytest.approx(0.2)
