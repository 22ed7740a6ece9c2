"""From a photograph to a drawn or a painted portrait: plain image processing, the same answer every time.

`toon` flattens colours with an edge-preserving filter and soft steps of brightness (Winnemöller et
al., 2006), draws ink with an extended difference of Gaussians (Winnemöller et al., 2012), and on
aligned faces enlarges the eyes, as cartoons do. `paint` averages along the shapes of the picture with
a Kuwahara filter over soft sectors (after Papari et al., 2007), so that brush strokes seem to follow
them. Both make pictures of another domain to which a generator can be fine-tuned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import Image

Planes = npt.NDArray[np.float32]

# Where the framing of aligned faces puts the eyes, the mouth and the jaw: fractions of the side.
EYES = ((0.375, 0.4725), (0.625, 0.4725))
EYE_RADIUS = 0.13
EYE_ZOOM = 0.5  # at the centre of an eye everything is 1 / (1 - 0.5) times as large
JAW = (0.5, 0.86)
JAW_RADIUS = (0.46, 0.24)
JAW_ZOOM = -0.18  # the chin becomes narrower
# Features that keep their detail: centre and radii.
FEATURES = (((0.36, 0.47), (0.17, 0.1)), ((0.64, 0.47), (0.17, 0.1)), ((0.5, 0.73), (0.2, 0.12)))
FEATURE_CONTRAST = 0.55
# Edge-preserving smoothing: turns, and its reach in colour (of 255) and space (of the side).
SMOOTH_TURNS = 3
SMOOTH_COLOUR = 34.0
SMOOTH_SPACE = 0.013
# Soft steps of lightness: how many between black and white, and how sharp.
TONES = 7
TONE_SHARPNESS = 2.2
SATURATION = 1.5
# Ink: width of the lines (of the side), ratio of both Gaussians, and the soft threshold in lightness.
INK_SCALE = 0.0065
INK_RATIO = 1.8
INK_SLOPE = 0.55
INK_LIMIT = 3.0
INK_STRENGTH = 0.85
# What the painted look adds to both colour axes of Lab.
WARMER = np.array([1.5, 6.0], dtype=np.float32)
# Brush of the painted look, of the side, and how much a quiet sector is preferred.
BRUSH = 0.015
SECTORS = 8
QUIET_POWER = 3.0


def toon(image: Image) -> Image:
    """A drawn portrait: flat colours, ink, large eyes.

    Args:
        image: Aligned face, (H, W, 3) uint8 RGB.

    Returns:
        A picture of the same size.
    """
    side = max(image.shape[:2])
    shaped = _with_cartoon_shape(image)
    drawn = _to_lab(_smoothed(shaped, side, turns=1))
    smooth = _to_lab(_smoothed(shaped, side, turns=SMOOTH_TURNS))
    soft = cv2.GaussianBlur(drawn[..., 0], (0, 0), 0.02 * side)
    features = _features(*image.shape[:2])
    smooth += features[..., None] * (drawn - smooth)
    smooth[..., 0] += FEATURE_CONTRAST * features * (drawn[..., 0] - soft)
    flat = smooth.copy()
    steps = _soft_steps(np.clip(6.0 + 1.02 * smooth[..., 0], 0.0, 100.0))
    flat[..., 0] = steps + 0.5 * features * (smooth[..., 0] - steps)
    flat[..., 1:] = _vivid(smooth[..., 1:])
    ink = _ink(drawn[..., 0], side)
    flat[..., 0] *= 1.0 - INK_STRENGTH * ink
    flat[..., 1:] *= (1.0 - 0.6 * ink)[..., None]
    return _to_image(flat)


def paint(image: Image) -> Image:
    """A painted portrait: strokes that follow the shapes, warmer and more vivid colours.

    Args:
        image: A picture, (H, W, 3) uint8 RGB.

    Returns:
        A picture of the same size.
    """
    side = max(image.shape[:2])
    lab = _kuwahara(_kuwahara(_to_lab(image), BRUSH * side), 0.6 * BRUSH * side)
    soft = cv2.GaussianBlur(lab[..., 0], (0, 0), 0.03 * side)
    lab[..., 0] = np.clip(lab[..., 0] + 0.45 * (lab[..., 0] - soft), 0.0, 100.0)
    lab[..., 1:] = _vivid(lab[..., 1:]) + WARMER
    return _to_image(lab)


FILTERS: dict[str, Callable[[Image], Image]] = {"toon": toon, "paint": paint}


def filter_of(name: str) -> Callable[[Image], Image]:
    """The filter of a name.

    Raises:
        UserInputError: There is none.
    """
    if name not in FILTERS:
        raise UserInputError(f"There is no filter '{name}'.", f"Choose one of: {', '.join(FILTERS)}.")
    return FILTERS[name]


def _with_cartoon_shape(image: Image) -> Image:
    """Larger eyes and a narrower chin: the picture sampled nearer to or further from those places."""
    columns, rows = _cartoon_map(*image.shape[:2])
    return cv2.remap(image, columns, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


@lru_cache(maxsize=4)
def _cartoon_map(height: int, width: int) -> tuple[Planes, Planes]:
    """Column and row from which each pixel is taken."""
    x, y = _places(height, width)
    shift_x, shift_y = np.zeros_like(x), np.zeros_like(y)
    for centre in EYES:
        across, down = x - centre[0], y - centre[1]
        near = _bump(np.hypot(across, down) / EYE_RADIUS)
        shift_x -= EYE_ZOOM * near * across
        shift_y -= EYE_ZOOM * near * down
    near = _bump(np.hypot((x - JAW[0]) / JAW_RADIUS[0], (y - JAW[1]) / JAW_RADIUS[1]))
    shift_x -= JAW_ZOOM * near * (x - JAW[0])
    columns = ((x + shift_x) * width - 0.5).astype(np.float32)
    return columns, ((y + shift_y) * height - 0.5).astype(np.float32)


def _places(height: int, width: int) -> tuple[Planes, Planes]:
    """Centre of every pixel as fractions of the sides."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return (columns + 0.5) / width, (rows + 0.5) / height


def _bump(distance: Planes) -> Planes:
    """1 at the centre, 0 from distance 1 on, smooth in between."""
    inside = np.clip(1.0 - distance**2, 0.0, 1.0)
    return (inside**2).astype(np.float32)


@lru_cache(maxsize=4)
def _features(height: int, width: int) -> Planes:
    """How much a place belongs to eyes or mouth, 0 to 1."""
    x, y = _places(height, width)
    bumps = [_bump(np.hypot((x - c[0]) / r[0], (y - c[1]) / r[1])) for c, r in FEATURES]
    return np.maximum.reduce(bumps)


def _smoothed(image: Image, side: int, *, turns: int) -> Image:
    """Bilateral filter, several times: quiet areas become flat, contours stay."""
    reach = max(1.0, SMOOTH_SPACE * side)
    diameter = 2 * math.ceil(1.3 * reach) + 1
    for _ in range(turns):
        image = cv2.bilateralFilter(image, diameter, SMOOTH_COLOUR, reach)
    return image


def _soft_steps(lightness: Planes) -> Planes:
    """Lightness drawn towards evenly spaced tones."""
    width = 100.0 / TONES
    nearest = (np.floor(lightness / width) + 0.5) * width
    inside = (lightness - nearest) / width  # -0.5 to 0.5; a tone's border lies at its ends
    steep = np.tanh(TONE_SHARPNESS * (np.abs(inside) - 0.5)) / np.tanh(TONE_SHARPNESS * 0.5)
    return (nearest + np.sign(inside) * 0.5 * width * (1.0 + steep)).astype(np.float32)


def _vivid(chroma: Planes) -> Planes:
    """More saturated where there is some colour, never out of range."""
    strength = np.linalg.norm(chroma, axis=2, keepdims=True)
    wanted = 62.0 * np.tanh(SATURATION * strength / 62.0)
    return (chroma * wanted / np.maximum(strength, 1e-6)).astype(np.float32)


def _ink(lightness: Planes, side: int) -> Planes:
    """Where a pen would draw, 0 to 1: darker than the surroundings by a difference of Gaussians."""
    scale = max(0.6, INK_SCALE * side)
    narrow = cv2.GaussianBlur(lightness, (0, 0), scale)
    wide = cv2.GaussianBlur(lightness, (0, 0), INK_RATIO * scale)
    return (0.5 * (1.0 + np.tanh(INK_SLOPE * (wide - narrow - INK_LIMIT)))).astype(np.float32)


def _kuwahara(lab: Planes, reach: float) -> Planes:
    """Each pixel the mean of the sectors around it, quiet sectors counting most."""
    height, width = lab.shape[:2]
    total = np.zeros_like(lab)
    weights = np.zeros((height, width, 1), dtype=np.float32)
    for kernel in _sector_kernels(max(1.0, reach)):
        mean = cv2.filter2D(lab, -1, kernel, borderType=cv2.BORDER_REFLECT)
        square = cv2.filter2D(lab * lab, -1, kernel, borderType=cv2.BORDER_REFLECT)
        spread = np.maximum(square - mean * mean, 0.0).sum(axis=2, keepdims=True)
        weight = 1.0 / (1.0 + spread) ** (QUIET_POWER / 2)
        total += weight * mean
        weights += weight
    return (total / weights).astype(np.float32)


@lru_cache(maxsize=8)
def _sector_kernels(reach: float) -> list[Planes]:
    """Gaussian wedges of a disc, each summing to 1."""
    radius = math.ceil(1.5 * reach)
    rows, columns = np.mgrid[-radius : radius + 1, -radius : radius + 1].astype(np.float32)
    bell = np.exp(-(rows**2 + columns**2) / (2 * (0.7 * reach) ** 2))
    angle = np.arctan2(rows, columns)
    kernels = []
    for number in range(SECTORS):
        off = np.angle(np.exp(1j * (angle - 2 * math.pi * number / SECTORS)))
        wedge = bell * np.clip(np.cos(off * SECTORS / 4), 0.0, 1.0) * (np.abs(off) < 2 * math.pi / SECTORS)
        wedge[radius, radius] = bell[radius, radius] / SECTORS
        kernels.append((wedge / wedge.sum()).astype(np.float32))
    return kernels


def _to_lab(image: Image) -> Planes:
    return np.asarray(cv2.cvtColor(image.astype(np.float32) / 255.0, cv2.COLOR_RGB2LAB), dtype=np.float32)


def _to_image(lab: Planes) -> Image:
    rgb = cv2.cvtColor(np.ascontiguousarray(lab, dtype=np.float32), cv2.COLOR_LAB2RGB)
    return np.ascontiguousarray(np.clip(np.rint(rgb * 255.0), 0, 255).astype(np.uint8))
