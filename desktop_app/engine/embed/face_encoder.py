"""The built-in face encoder: who is it, from the inner face alone.

An oval of the aligned face is looked at, in grey: hair, clothes, background and colours do not count. A
small residual network learned by comparing joins a histogram of edge directions, each whitened on its
own; the mean over a face and its mirror image makes the embedding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.networks.contrastive_heads import Whitening
from desktop_app.engine.networks.gradient_histogram import gradient_histogram, histogram_size
from desktop_app.engine.networks.resnet_small import ResNetShape, SmallResNet, map_sides, shape_from_config
from desktop_app.engine.weights.store import load_strict

ARCHITECTURE = "contrastive_face"
# Of its card: no encoder for photos, and offered nowhere as one.
ROLE = "face_encoder"
BUILTIN_FACES = "contrastive_face.builtin"
# The aligned face, framed as FFHQ (eyes a quarter of the side apart), and the part that is looked at.
ALIGNED_PX = 96
CROP_PX = 64
CROP_TOP, CROP_LEFT = 20, 16
# Half axes of the oval in pixels of the crop, and the width of its soft edge as a share of them.
_OVAL_ACROSS, _OVAL_DOWN, _OVAL_EDGE = 30.0, 33.0, 0.16
_LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, slots=True)
class FaceShape:
    """What a face embedding is made of.

    Attributes:
        learned_size: Numbers of the learned part; 0: none.
        edge_size: Numbers of the edge directions; 0: none.
        edge_weight: Weight of the edge directions against the learned part.
    """

    learned_size: int = 128
    edge_size: int = 200
    edge_weight: float = 3.0

    @property
    def size(self) -> int:
        """Length of an embedding."""
        return self.learned_size + self.edge_size


class FaceEncoder(nn.Module):
    """Aligned faces to embeddings.

    Args:
        shape: Of the backbone.
        face: What an embedding is made of.
    """

    oval: Tensor

    def __init__(self, shape: ResNetShape, face: FaceShape) -> None:
        super().__init__()
        self.face = face
        self.register_buffer("oval", _oval(), persistent=False)
        self.backbone = SmallResNet(shape)
        self.feature_size = shape.widths[-1] * map_sides(CROP_PX, shape)[-1] ** 2
        if face.learned_size:
            self.whitening = Whitening(self.feature_size, face.learned_size)
        if face.edge_size:
            self.edge_whitening = Whitening(histogram_size(CROP_PX), face.edge_size)

    def inner_face(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) aligned, in [-1, 1] -> (B, 1, 64, 64) grey, mean 0 and spread 1 inside the oval."""
        if x.shape[-2:] != (ALIGNED_PX, ALIGNED_PX):
            x = F.interpolate(
                x, (ALIGNED_PX, ALIGNED_PX), mode="bilinear", antialias=True, align_corners=False
            )
        part = x[:, :, CROP_TOP : CROP_TOP + CROP_PX, CROP_LEFT : CROP_LEFT + CROP_PX].float()
        grey = (part * part.new_tensor(_LUMA).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
        share = self.oval / self.oval.sum()
        mean = (grey * share).sum(dim=(2, 3), keepdim=True)
        spread = ((grey - mean).square() * share).sum(dim=(2, 3), keepdim=True).sqrt()
        return (grey - mean) / (spread + 0.02)

    def features(self, inner: Tensor) -> Tensor:
        """What is learned: (B, 1, 64, 64) of `inner_face` -> (B, F), the last map place by place."""
        masked = (inner * self.oval).expand(-1, 3, -1, -1)
        last = self.backbone(masked.contiguous(memory_format=torch.channels_last))[-1]
        return last.flatten(1)

    def branches(self, x: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """Learned part and edge directions, each whitened and of unit length; None where there is none."""
        inner = self.inner_face(x)
        ways = (inner, inner.flip(3))
        learned = edges = None
        if self.face.learned_size:
            learned = F.normalize(sum(self.whitening(self.features(one).float()) for one in ways), dim=1)
        if self.face.edge_size:
            both = sum(gradient_histogram(one, self.oval) for one in ways) / 2.0
            edges = self.edge_whitening(both)
        return learned, edges

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) aligned faces in [-1, 1] -> (B, D), unit length."""
        learned, edges = self.branches(x)
        if learned is None or edges is None:
            return edges if learned is None else learned  # type: ignore[return-value]
        return F.normalize(torch.cat([learned, self.face.edge_weight * edges], dim=1), dim=1)


@torch.no_grad()
def calibrate_faces(encoder: FaceEncoder, batches: Iterable[Tensor], *, whiten_power: float) -> None:
    """Make an encoder ready for use: norms and whitening learn from unchanged faces, without names.

    Args:
        encoder: Left in evaluation mode.
        batches: Faces, (B, 3, S, S) in [-1, 1]; gone through twice, so not an iterator.
        whiten_power: How far the axes are evened out, 0 to 0.5.
    """
    inner = [encoder.inner_face(x) for x in batches]
    if encoder.face.edge_size:
        edges = [
            (gradient_histogram(x, encoder.oval) + gradient_histogram(x.flip(3), encoder.oval)) / 2.0
            for x in inner
        ]
        encoder.edge_whitening.fit(torch.cat(edges), power=whiten_power)
    if encoder.face.learned_size:
        for part in encoder.modules():
            if isinstance(part, nn.BatchNorm2d):
                part.reset_running_stats()
                part.momentum = None  # the mean over all batches
        encoder.train()
        for x in inner:
            encoder.features(x)
        encoder.eval()
        encoder.whitening.fit(torch.cat([encoder.features(x) for x in inner]), power=whiten_power)
    encoder.eval()


def build_face_encoder(config: dict[str, Any], tensors: dict[str, Tensor], *, what: str) -> FaceEncoder:
    """Rebuild an encoder from its card.

    Args:
        config: `widths`, `blocks`, `learned_size`, `edge_size` and `edge_weight`.
        tensors: Its weights.
        what: Name for error messages.

    Raises:
        WeightsError: The card or the weights do not fit.
    """
    shape = shape_from_config(config)
    try:
        face = FaceShape(int(config["learned_size"]), int(config["edge_size"]), float(config["edge_weight"]))
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The model card of {what} is not usable: {error!r}.") from error
    features = shape.widths[-1] * map_sides(CROP_PX, shape)[-1] ** 2
    is_whole = 0 <= face.learned_size <= features and 0 <= face.edge_size <= histogram_size(CROP_PX)
    if not is_whole or face.size < 1 or not 0.0 <= face.edge_weight <= 100.0:
        raise WeightsError(
            f"The model card of {what} is not usable: the shape of its embedding is out of range."
        )
    encoder = FaceEncoder(shape, face)
    load_strict(encoder, tensors, what=what)
    return encoder.eval().requires_grad_(False).to(memory_format=torch.channels_last)


def _oval() -> Tensor:
    """(1, 1, 64, 64): 1 inside the face, 0 outside, soft between."""
    place = torch.arange(CROP_PX) - (CROP_PX - 1) / 2
    across, down = place[None, :] / _OVAL_ACROSS, place[:, None] / _OVAL_DOWN
    radius = (across.square() + down.square()).sqrt()
    return ((1.0 + _OVAL_EDGE / 2 - radius) / _OVAL_EDGE).clamp(0.0, 1.0)[None, None]
