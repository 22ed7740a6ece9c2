"""Images to unit-length embeddings, whatever the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.types import FloatArray, Image
from desktop_app.engine.device import memory_errors_translated
from desktop_app.engine.embed.preprocessing import Fit, Preprocessing
from desktop_app.engine.image_tensor import images_to_tensor


@dataclass(frozen=True, slots=True)
class EmbedderFacts:
    """What identifies an encoder.

    Attributes:
        name: As named in the settings; stored with each embedding.
        version: Tells weights of the same name apart.
        embedding_size: Length D of an embedding.
    """

    name: str
    version: str
    embedding_size: int


class Embedder:
    """A network with its preprocessing. `prepare` may run in any thread, the rest on one.

    Args:
        network: (B, 3, S, S) -> (B, D); in evaluation mode.
        preprocessing: What the network expects.
        facts: Name, version and size.
        device: Where the network is.
    """

    def __init__(
        self,
        network: Callable[[Tensor], Tensor],
        preprocessing: Preprocessing,
        *,
        facts: EmbedderFacts,
        device: torch.device,
    ) -> None:
        self._network = network
        self._preprocessing = preprocessing
        self._facts = facts
        self._device = device
        mean, std = torch.tensor(preprocessing.mean), torch.tensor(preprocessing.std)
        # From [-1, 1] to (v - mean) / std with v = (x + 1) / 2 in [0, 1].
        self._gain = (0.5 / std).view(1, 3, 1, 1).to(device)
        self._offset = ((0.5 - mean) / std).view(1, 3, 1, 1).to(device)
        self._is_plain = preprocessing.mean == preprocessing.std == (0.5, 0.5, 0.5)

    @property
    def name(self) -> str:
        """As named in the settings."""
        return self._facts.name

    @property
    def version(self) -> str:
        """Tells weights of the same name apart."""
        return self._facts.version

    @property
    def embedding_size(self) -> int:
        """Length D of an embedding."""
        return self._facts.embedding_size

    def to_input(self, batch: Image) -> Tensor:
        """What the network takes: (B, input_px, input_px, 3) uint8 of `prepare` -> (B, 3, S, S)."""
        return self.normalised(images_to_tensor(batch).to(self._device))

    def seen_box(self, image: Image) -> tuple[float, float, float, float]:
        """The part of a picture that the network sees: left, top, width, height as shares of it."""
        if self._preprocessing.fit is Fit.SQUEEZE:
            return 0.0, 0.0, 1.0, 1.0
        height, width = image.shape[:2]
        side = min(height, width) * self._preprocessing.crop_share
        return (1 - side / width) / 2, (1 - side / height) / 2, side / width, side / height

    @property
    def input_px(self) -> int:
        """Side of the network input."""
        return self._preprocessing.input_px

    @property
    def network(self) -> Callable[[Tensor], Tensor]:
        """(B, 3, S, S), normalised as the network expects -> (B, D)."""
        return self._network

    @property
    def preprocessing(self) -> Preprocessing:
        """What the network expects."""
        return self._preprocessing

    def normalised(self, x: Tensor) -> Tensor:
        """Pictures in [-1, 1], (B, 3, S, S), as the network expects them."""
        return x if self._is_plain else x * self._gain + self._offset

    def prepare(self, image: Image) -> Image:
        """One picture, or a reduced decode whose shorter side is at least `input_px`.

        Args:
            image: (H, W, 3) uint8.

        Returns:
            (input_px, input_px, 3) uint8.
        """
        return self._preprocessing.prepare(image)

    def embed_prepared(self, batch: Image) -> FloatArray:
        """Embed what `prepare` made.

        Args:
            batch: (B, input_px, input_px, 3) uint8.

        Returns:
            (B, D) float32, unit length.

        Raises:
            ResourceError: Out of memory.
        """
        side = self.input_px
        if batch.ndim != 4 or batch.shape[1:] != (side, side, 3):
            raise ValueError(f"expected (B, {side}, {side}, 3), got {batch.shape}")
        if not len(batch):
            return np.empty((0, self.embedding_size), dtype=np.float32)
        with memory_errors_translated("compare photos"), torch.inference_mode():
            x = self.normalised(images_to_tensor(batch).to(self._device))
            embedding = F.normalize(self._network(x).float(), dim=1)
            return np.ascontiguousarray(embedding.cpu().numpy(), dtype=np.float32)

    def embed(self, images: Sequence[Image]) -> FloatArray:
        """Both steps: pictures of any size -> (B, D) float32, unit length."""
        if not images:
            return np.empty((0, self.embedding_size), dtype=np.float32)
        return self.embed_prepared(np.stack([self.prepare(image) for image in images]))


def frozen(network: nn.Module, device: torch.device) -> nn.Module:
    """The network for use: evaluation mode, no gradients, on its device."""
    return network.eval().requires_grad_(False).to(device)
