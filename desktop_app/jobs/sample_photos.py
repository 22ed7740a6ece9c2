"""A small photo folder made by the program itself, to try everything on a machine without photos.

Scenes are drawn from a seed; faces are people that do not exist: random walks from the average code
of the built-in face model along its principal directions.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFilter

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import FloatArray

if TYPE_CHECKING:
    from desktop_app.jobs.services import Services

WIDTH, HEIGHT = 640, 480
VARIANTS = 8
PEOPLE = 6

Random = np.random.Generator


def write_samples(folder: Path, services: Services) -> Path:
    """Write the sample photos that are not there yet; returns the folder.

    Raises:
        OSError: The folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, (name, draw) in enumerate(_SCENES.items()):
        for variant in range(VARIANTS):
            file = folder / f"{name}_{variant + 1}.jpg"
            if not file.exists():
                random = np.random.default_rng(100 * number + variant)
                draw(random).save(file, quality=90)
    _write_copies(folder)
    _write_people(folder, services)
    return folder


def _write_copies(folder: Path) -> None:
    """A few near-duplicates: cropped and compressed again."""
    for name in list(_SCENES)[:4]:
        copy = folder / f"{name}_1_copy.jpg"
        if not copy.exists():
            with PillowImage.open(folder / f"{name}_1.jpg") as picture:
                picture.crop((12, 9, WIDTH - 12, HEIGHT - 9)).resize((512, 384)).save(copy, quality=60)


def _write_people(folder: Path, services: Services) -> None:
    try:
        model = services.faces.model()
    except WeightsError:
        return
    from desktop_app.engine.invert.restyle import render

    average: FloatArray = model.w_avg.cpu().numpy()
    directions = [d for d in services.faces.directions(model.name) if d.kind == "pca"]
    for number in range(PEOPLE):
        file = folder / f"person_{number + 1}.jpg"
        if file.exists():
            continue
        random = np.random.default_rng(1000 + number)
        code = np.repeat(average[None], model.n_styles, axis=0)
        for direction in directions:
            reach = 0.5 * (direction.maximum - direction.minimum) * 0.35
            code = code + float(random.normal(0, reach)) * direction.vector
        face = PillowImage.fromarray(render(model, code.astype(np.float32)))
        wall = _gradient(_colour(random, 0.2, 0.75), _colour(random, 0.2, 0.55))
        wall.paste(face.resize((360, 360), PillowImage.Resampling.BICUBIC), (140, 60))
        wall.save(file, quality=92)


def _colour(
    random: Random, saturation: float, value: float, hue: float | None = None
) -> tuple[int, int, int]:
    h = random.uniform() if hue is None else hue + random.normal(0, 0.02)
    red, green, blue = colorsys.hsv_to_rgb(h % 1.0, saturation, value)
    return int(255 * red), int(255 * green), int(255 * blue)


def _gradient(top: tuple[int, ...], bottom: tuple[int, ...]) -> PillowImage.Image:
    t = np.linspace(0, 1, HEIGHT)[:, None, None]
    rows = (1 - t) * np.array(top) + t * np.array(bottom)
    return PillowImage.fromarray(np.repeat(rows, WIDTH, axis=1).astype(np.uint8))


def _sunset(random: Random) -> PillowImage.Image:
    picture = _gradient(_colour(random, 0.5, 0.5, 0.65), _colour(random, 0.7, 0.95, 0.07))
    draw = ImageDraw.Draw(picture)
    x, y, r = random.uniform(150, 500), random.uniform(200, 300), random.uniform(30, 60)
    draw.ellipse((x - r, y - r, x + r, y + r), fill=(255, 225, 150))
    draw.rectangle((0, 340, WIDTH, HEIGHT), fill=_colour(random, 0.6, 0.3, 0.6))
    for _ in range(30):
        a, b = random.uniform(0, WIDTH), random.uniform(345, HEIGHT)
        draw.line((a, b, a + random.uniform(20, 90), b), fill=_colour(random, 0.4, 0.6, 0.08), width=2)
    return picture.filter(ImageFilter.GaussianBlur(1.2))


def _fruit(random: Random) -> PillowImage.Image:
    picture = _gradient((205, 200, 190), (150, 140, 125))
    draw = ImageDraw.Draw(picture)
    for _ in range(int(random.integers(5, 10))):
        x, y, r = random.uniform(90, 550), random.uniform(110, 380), random.uniform(45, 75)
        colour = _colour(random, 0.85, 0.85, 0.02)
        draw.ellipse((x - r, y - r, x + r, y + r), fill=colour, outline=(90, 15, 10), width=3)
        draw.ellipse((x - r / 2, y - r / 2, x - r / 6, y - r / 6), fill=(250, 220, 215))
        draw.line((x, y - r, x + 8, y - r - 18), fill=(70, 60, 30), width=5)
    return picture.filter(ImageFilter.GaussianBlur(1.0))


def _flower(random: Random) -> PillowImage.Image:
    picture = _gradient(_colour(random, 0.6, 0.45, 0.33), _colour(random, 0.7, 0.25, 0.3))
    draw = ImageDraw.Draw(picture)
    hue, petals = float(random.choice([0.13, 0.9])), int(random.integers(8, 14))
    for _ in range(int(random.integers(3, 6))):
        x, y, r = random.uniform(100, 540), random.uniform(100, 380), random.uniform(50, 90)
        for petal in range(petals):
            angle = 2 * math.pi * petal / petals
            a, b, s = x + r * 0.6 * math.cos(angle), y + r * 0.6 * math.sin(angle), r * 0.32
            draw.ellipse((a - s, b - s, a + s, b + s), fill=_colour(random, 0.8, 0.95, hue))
        draw.ellipse((x - r * 0.3, y - r * 0.3, x + r * 0.3, y + r * 0.3), fill=(95, 60, 25))
    return picture.filter(ImageFilter.GaussianBlur(1.0))


def _houses(random: Random) -> PillowImage.Image:
    picture = _gradient(_colour(random, 0.35, 0.9, 0.57), (225, 230, 235))
    draw = ImageDraw.Draw(picture)
    x = -20.0
    while x < WIDTH:
        width, top = random.uniform(60, 120), random.uniform(90, 260)
        wall = _colour(random, 0.25, 0.65)
        draw.rectangle((x, top, x + width, HEIGHT), fill=wall)
        for a in range(int(x) + 10, int(x + width) - 18, 26):
            for b in range(int(top) + 12, HEIGHT - 30, 36):
                draw.rectangle(
                    (a, b, a + 13, b + 20), fill=(245, 235, 170) if random.uniform() < 0.4 else (60, 70, 90)
                )
        x += width + 4
    return picture


def _cloth(random: Random) -> PillowImage.Image:
    picture = _gradient((235, 235, 232), (215, 214, 210))
    draw = ImageDraw.Draw(picture)
    colour = _colour(random, 0.6, 0.6)
    x, y = 320 + random.normal(0, 15), 90 + random.normal(0, 8)
    shirt = [
        (-70, 0),
        (70, 0),
        (170, 70),
        (130, 130),
        (95, 105),
        (95, 310),
        (-95, 310),
        (-95, 105),
        (-130, 130),
        (-170, 70),
    ]
    draw.polygon([(x + a, y + b) for a, b in shirt], fill=colour, outline=(50, 50, 55))
    draw.ellipse((x - 38, y - 20, x + 38, y + 26), fill=(225, 224, 221))
    stripe = _colour(random, 0.3, 0.9)
    for b in range(130, 300, int(random.integers(24, 60))):
        draw.rectangle((x - 94, y + b, x + 94, y + b + 9), fill=stripe)
    return picture.filter(ImageFilter.GaussianBlur(0.8))


def _forest(random: Random) -> PillowImage.Image:
    picture = _gradient((190, 205, 210), (70, 95, 60))
    draw = ImageDraw.Draw(picture)
    for depth in range(40):
        x, base = random.uniform(-20, WIDTH + 20), 260 + 5 * depth
        height = random.uniform(110, 190)
        green = _colour(random, 0.55, 0.2 + 0.008 * depth, 0.36)
        for layer in range(3):
            wide, top = 20 + 14 * layer, base - height + 34 * layer
            draw.polygon([(x, top), (x - wide, top + 70), (x + wide, top + 70)], fill=green)
    return picture.filter(ImageFilter.GaussianBlur(0.8))


_SCENES: dict[str, Callable[[Random], PillowImage.Image]] = {
    "sunset": _sunset,
    "fruit": _fruit,
    "flower": _flower,
    "houses": _houses,
    "cloth": _cloth,
    "forest": _forest,
}
