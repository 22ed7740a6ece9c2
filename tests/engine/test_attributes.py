"""Attributes that are read off a face: each answers to what it is named after."""

from __future__ import annotations

import numpy as np
import pytest

from desktop_app.core.types import Image
from desktop_app.engine.edit.attributes import (
    ATTRIBUTES,
    background,
    beard,
    brightness,
    colourfulness,
    contrast,
    glasses,
    head_turn,
    light_clothes,
    light_hair,
    light_side,
    smile,
    warmth,
)

GREY = 110


def plain() -> Image:
    return np.full((100, 100, 3), GREY, dtype=np.uint8)


def test_a_plain_picture_has_none_of_them() -> None:
    values = {one.name: one.value(plain()) for one in ATTRIBUTES}
    grey = dict.fromkeys(("background", "brightness", "clothes"), GREY / 255)
    assert values == pytest.approx({**dict.fromkeys(values, 0.0), **grey}, abs=1e-6)


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


def test_finer_rules_answer_to_their_own_part() -> None:
    bridge, chin, hair, lively, suit, red = (plain() for _ in range(6))
    bridge[46:48, 40:60] = 20
    chin[78:90, 38:62] = 40
    hair[5:22, 30:70] = 230
    lively[30:75:2, 30:70] = 200
    suit[90:] = 230
    red[..., 0] = 220
    assert glasses(bridge) > 0.1
    assert beard(chin) > 0.1 > abs(beard(hair))
    assert light_hair(hair) == pytest.approx((230 - GREY) / 255)
    assert contrast(lively) > 0.1 and brightness(lively) > GREY / 255
    assert light_clothes(suit) > light_clothes(plain()) and light_clothes(hair) == light_clothes(plain())
    assert colourfulness(red) > 20


def test_a_turn_is_read_from_the_outline_and_mirrors() -> None:
    turned = plain()
    turned[:, :22], turned[:, 70:] = 240, 240  # the head reaches from 0.22 to 0.70: eyes right of its middle
    assert head_turn(turned) > 0.02
    assert head_turn(np.ascontiguousarray(turned[:, ::-1])) == pytest.approx(-head_turn(turned), abs=0.005)


def test_rules_read_large_and_small_pictures_alike() -> None:
    rng = np.random.default_rng(0)
    small = np.kron(rng.integers(40, 220, (16, 16, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    large = np.kron(small, np.ones((2, 2, 1))).astype(np.uint8)
    for one in ATTRIBUTES:
        assert one.value(large) == pytest.approx(one.value(small), abs=0.03 + 0.05 * abs(one.value(small))), (
            one.name
        )
