"""Two photos compared: request and answer."""

from __future__ import annotations

from dataclasses import dataclass

from desktop_app.core.common_types import FloatArray, Image
from desktop_app.core.library_types import PhotoSource


@dataclass(frozen=True, slots=True)
class ComparePhotosRequest:
    """Compare two photos. Answer: `PhotoComparison`."""

    first: PhotoSource
    second: PhotoSource


@dataclass(frozen=True, slots=True)
class SharedColour:
    """A colour of both photos: its name, sRGB, and its share of each."""

    name: str
    rgb: tuple[int, int, int]
    first_share: float
    second_share: float


@dataclass(frozen=True, slots=True)
class SimilarityPart:
    """A part of the embedding.

    Attributes:
        name: Which.
        added: What it adds to the similarity; all parts add up to it.
        most: What it adds where two photos are equal.
    """

    name: str
    added: float
    most: float


@dataclass(frozen=True, slots=True)
class PlaceMatch:
    """Two places that look alike, (x, y) as shares of width and height, and their similarity."""

    first: tuple[float, float]
    second: tuple[float, float]
    similarity: float


@dataclass(frozen=True, slots=True)
class SharedPart:
    """One of two photos is a part of the other.

    Attributes:
        inner: Which: 0 or 1.
        box: Where it lies in the other: left, top, width and height as shares.
        is_mirrored: It lies there mirrored.
    """

    inner: int
    box: tuple[float, float, float, float]
    is_mirrored: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PhotoComparison:
    """What was found of two photos.

    Attributes:
        similarity: Of the embeddings, -1 to 1.
        nearer_than: Share of random pairs of the library that are less alike; None: unknown.
        pictures: Both photos for display, (H, W, 3) uint8.
        heats: For each photo (h, w) in [0, 1], how well each place finds its like in the other; None
            where the encoder has no maps.
        heat_boxes: Part of each photo that its heat map covers: left, top, width, height as shares.
        matches: Pairs of places, the best first.
        parts: What the similarity is made of, where that is known.
        colours: Colours that both hold.
        reasons: The findings in words, the weightiest first.
        encoder: Name of the encoder.
        part: Where one photo is a part of the other, or None.
    """

    similarity: float
    nearer_than: float | None
    pictures: tuple[Image, Image]
    heats: tuple[FloatArray, FloatArray] | None
    heat_boxes: tuple[tuple[float, float, float, float], tuple[float, float, float, float]]
    matches: tuple[PlaceMatch, ...]
    parts: tuple[SimilarityPart, ...]
    colours: tuple[SharedColour, ...]
    reasons: tuple[str, ...]
    encoder: str
    part: SharedPart | None = None
