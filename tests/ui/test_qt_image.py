from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtGui import QColor, QImage

from ui.qt_image import from_qimage, to_qimage


@given(st.integers(1, 9), st.integers(1, 9))
def test_every_pixel_survives_both_ways_at_odd_widths(width: int, height: int) -> None:
    image = np.random.default_rng(width * 10 + height).integers(0, 256, (height, width, 3), np.uint8)
    picture = to_qimage(image)
    for y in range(height):
        for x in range(width):
            assert picture.pixelColor(x, y).getRgb()[:3] == tuple(int(v) for v in image[y, x])
    assert np.array_equal(from_qimage(picture), image)


def test_qimage_has_memory_of_its_own() -> None:
    image = np.zeros((4, 5, 3), np.uint8)
    picture = to_qimage(image)
    image[:] = 255
    assert picture.pixelColor(2, 2) == QColor(0, 0, 0)


def test_array_is_read_only() -> None:
    assert not from_qimage(to_qimage(np.zeros((2, 2, 3), np.uint8))).flags.writeable


def test_transparent_parts_lie_over_white() -> None:
    picture = QImage(2, 1, QImage.Format.Format_ARGB32)
    picture.setPixelColor(0, 0, QColor(10, 20, 30, 0))
    picture.setPixelColor(1, 0, QColor(0, 0, 0, 128))
    image = from_qimage(picture)
    assert image[0, 0].tolist() == [255, 255, 255]
    assert image[0, 1].tolist() == [127, 127, 127]


def test_other_arrays_are_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        to_qimage(np.zeros((2, 2, 3), np.float32))
