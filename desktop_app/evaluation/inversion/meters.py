"""What is measured of one reconstruction against its photo, always at the same size.

As the official scripts do (reference, section 8), both pictures are brought to 256 x 256 by Pillow's
bilinear resize before they are compared, whatever the model's size, so that models of different
sizes can be compared. Values are kept for each picture; nothing is dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import Image
from desktop_app.engine.embed.embedder import Embedder
from desktop_app.engine.embed.registry import load_embedder
from desktop_app.engine.image_tensor import images_to_tensor, resized_image
from desktop_app.engine.metrics.identity import (
    IdentityMeter,
    contrastive_meter,
    face_part,
    identity_meter,
)
from desktop_app.engine.metrics.l2 import l2_each
from desktop_app.engine.metrics.lpips import load_lpips, load_vgg16, lpips_each, missing_part
from desktop_app.engine.metrics.ms_ssim import ms_ssim_each
from desktop_app.engine.networks.lpips_net import Lpips
from desktop_app.engine.networks.vgg16 import Vgg16Features
from desktop_app.engine.weights.store import ModelStore

COMPARED_PX = 256


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of the tables.

    Attributes:
        key: Name in files.
        title: Name for people.
        is_distance: Lower is better.
        explanation: One sentence.
    """

    key: str
    title: str
    is_distance: bool
    explanation: str


@dataclass(frozen=True, slots=True)
class Meters:
    """Everything that compares two pictures.

    Attributes:
        lpips: Perceptual distance, or None without its weights.
        identity: Whose embeddings tell persons apart, or None.
        similarity: A contrastive encoder on whole pictures (as MoCo in the official code), or None.
        vgg: Perceptual features for methods that optimise on them, or None without their weights.
        lpips_part: What is missing where LPIPS is here in part, one sentence; else empty.
        metrics: What the values mean, in the order of the columns.
        missing: Sentences on metrics that cannot be measured here.
    """

    lpips: Lpips | None
    identity: IdentityMeter | None
    similarity: IdentityMeter | None
    vgg: Vgg16Features | None = None
    lpips_part: str = ""
    metrics: tuple[Metric, ...] = field(init=False)
    missing: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "metrics", tuple(_metrics(self)))
        object.__setattr__(self, "missing", tuple(_missing(self)))

    @property
    def names(self) -> tuple[str, ...]:
        """Which networks measure; results of others are not comparable."""
        lpips = "lpips" if self.lpips is not None else ""
        vgg = ("vgg16",) if self.vgg is not None else ()
        return (lpips, *(meter.name if meter else "" for meter in (self.identity, self.similarity)), *vgg)

    def target(self, image: Image) -> Target:
        """A photo to compare with: (H, W, 3) uint8 of any size."""
        x = compared([image])
        return Target(
            x,
            self.identity.embed(self._identity_view(x)) if self.identity else None,
            self.similarity.embed(x) if self.similarity else None,
        )

    def measure(self, pictures: Sequence[Image], target: Target) -> list[dict[str, float]]:
        """Values of each picture by metric key."""
        y = compared(pictures)
        x = target.x.expand_as(y)
        with torch.inference_mode():
            columns = {"l2": l2_each(y, x), "ms_ssim": ms_ssim_each(y, x)}
            if self.lpips is not None:
                columns["lpips"] = lpips_each(self.lpips, y, x)
            if target.identity is not None and self.identity is not None:
                rows = self.identity.embed(self._identity_view(y))
                columns["identity"] = (rows * target.identity).sum(dim=1)
            if target.similarity is not None and self.similarity is not None:
                columns["similarity"] = (self.similarity.embed(y) * target.similarity).sum(dim=1)
        return [{key: float(column[k]) for key, column in columns.items()} for k in range(len(pictures))]

    def likeness(self, pictures: Sequence[Image], other: Image) -> list[float]:
        """Identity of each picture with another one; of the whole picture when nothing tells persons apart.

        Empty when there is no encoder at all.
        """
        meter = self.identity or self.similarity
        if meter is None:
            return []
        with torch.inference_mode():
            rows = meter.embed(self._identity_view(compared([other, *pictures])))
            return [float(value) for value in rows[1:] @ rows[0]]

    def _identity_view(self, y: Tensor) -> Tensor:
        """Recognition networks crop by themselves; a stand-in gets the same part of the face."""
        return y if self.identity is None or self.identity.is_recognition else face_part(y)


@dataclass(frozen=True, slots=True)
class Target:
    """A photo and what is known of it: x (1, 3, 256, 256), embeddings (1, D)."""

    x: Tensor
    identity: Tensor | None
    similarity: Tensor | None


def compared(pictures: Sequence[Image]) -> Tensor:
    """Pictures at the size of comparison, (B, 3, 256, 256) in [-1, 1]."""
    small = [resized_image(image, width_px=COMPARED_PX, height_px=COMPARED_PX) for image in pictures]
    return images_to_tensor(np.stack(small))


def load_meters(store: ModelStore, *, encoder: str, device: torch.device) -> Meters:
    """All meters whose weights are there.

    Args:
        store: Models on disk.
        encoder: The contrastive encoder of the settings.
        device: Where to compute.
    """
    embedder = _embedder(store, encoder, device=device)
    similarity = contrastive_meter(embedder) if embedder is not None else None
    identity = identity_meter(store, device=device, embedder=embedder)
    return Meters(
        load_lpips(store, device=device),
        identity,
        similarity,
        vgg=load_vgg16(store, device=device),
        lpips_part=missing_part(store),
    )


def _embedder(store: ModelStore, name: str, *, device: torch.device) -> Embedder | None:
    try:
        return load_embedder(store, name, device=device)
    except WeightsError:
        return None


def _metrics(meters: Meters) -> list[Metric]:
    found = [
        Metric("l2", "L2", True, "Mean squared difference at 256 x 256 pixels, range -1 to 1."),
        Metric("l2_model", "L2 at model size", True, "The same at the size that the model works at."),
        Metric("ms_ssim", "MS-SSIM", False, "Structural similarity on five scales at 256 x 256 pixels."),
    ]
    if meters.lpips is not None:
        found.append(Metric("lpips", "LPIPS", True, "Learned perceptual distance (AlexNet)."))
    if meters.identity is not None and meters.identity.is_recognition:
        found.append(
            Metric("identity", "Identity", False, f"Cosine of face embeddings of {meters.identity.name}.")
        )
    elif meters.identity is not None:
        found.append(
            Metric(
                "identity",
                "Identity (stand-in)",
                False,
                f"Cosine of embeddings of the face part by {meters.identity.name}: it ranks "
                "reconstructions and recognises nobody.",
            )
        )
    if meters.similarity is not None:
        found.append(
            Metric(
                "similarity",
                "Contrastive similarity",
                False,
                f"Cosine of embeddings of the whole picture by {meters.similarity.name}, as the MoCo "
                "similarity of the ReStyle paper.",
            )
        )
    return found


def _missing(meters: Meters) -> list[str]:
    found = []
    if meters.lpips is None:
        why = meters.lpips_part or "Its weights are not installed."
        found.append(f"LPIPS is not measured. {why}")
    if meters.identity is None:
        found.append("Identity is not measured: there is no encoder.")
    elif meters.identity.is_builtin:
        found.append(
            "No published face recognition weights (ArcFace, CurricularFace) are installed: identity is "
            f"measured by {meters.identity.name}; its values are not those of published tables."
        )
    elif not meters.identity.is_recognition:
        found.append(
            "No face recognition weights (ArcFace, CurricularFace) are installed: "
            f"identity is measured by {meters.identity.name}."
        )
    if meters.similarity is None:
        found.append("Contrastive similarity is not measured: the encoder of the settings is not there.")
    return found
