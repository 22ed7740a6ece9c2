"""The head of a tuned encoder: a linear change of embeddings, and how far a photo is of marked kinds."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.types import FloatArray

MATRIX, MEAN = "head.matrix", "head.mean"
KIND_WEIGHT, KIND_BIAS, KIND_SHARE = "head.kinds.weight", "head.kinds.bias", "head.kinds.share"
KIND_COUNT = "head.kinds.count"
_ROWS_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True)
class Kinds:
    """A classifier of the kinds that a user marked.

    Attributes:
        weight: (C, D) for changed embeddings of unit length; marked kinds first, then perhaps none of them.
        bias: (C,).
        share: Length of the part that it adds to an embedding, beside 1 of the changed embedding.
        count: Number K of marked kinds, C or C - 1.
    """

    weight: Tensor
    bias: Tensor
    share: float
    count: int


class MetricHead(nn.Module):
    """A linear change of embeddings: what the user calls alike comes closer.

    Where kinds were marked, the roots of their probabilities are joined to it: two photos are alike in this
    part as far as their probabilities overlap (the Bhattacharyya kernel of Jebara, Kondor and Howard, 2004).
    A photo that is of none of them has little of this part.

    Args:
        mean: (D,) taken off first.
        matrix: (D, D).
        kinds: What tells the marked kinds, or None.
    """

    mean: Tensor
    matrix: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(self, mean: Tensor, matrix: Tensor, *, kinds: Kinds | None = None) -> None:
        super().__init__()
        kinds = kinds or Kinds(mean.new_zeros(0, len(mean)), mean.new_zeros(0), 0.0, 0)
        self.register_buffer("mean", mean)
        self.register_buffer("matrix", matrix)
        self.register_buffer("weight", kinds.weight)
        self.register_buffer("bias", kinds.bias)
        self.share, self.count = kinds.share, kinds.count

    @property
    def embedding_size(self) -> int:
        """Length of what comes out."""
        return len(self.mean) + self.count

    def forward(self, embedding: Tensor) -> Tensor:
        """(B, D) unit length -> (B, D + K) unit length."""
        placed = F.normalize((embedding - self.mean) @ self.matrix, dim=1)
        if not self.count:
            return placed
        roots = (0.5 * F.log_softmax(placed @ self.weight.T + self.bias, dim=1)).exp()[:, : self.count]
        return F.normalize(torch.cat([placed, self.share * roots], dim=1), dim=1)

    @torch.no_grad()
    def applied(self, vectors: FloatArray) -> FloatArray:
        """Embeddings of the base to embeddings of the tuned encoder, (N, D) -> (N, D + K) unit length."""
        pieces = torch.from_numpy(vectors).split(_ROWS_AT_ONCE)
        found: FloatArray = torch.cat([self(piece.float()) for piece in pieces]).numpy()
        return found

    def tensors(self) -> dict[str, Tensor]:
        """What a file keeps."""
        kept = {MATRIX: self.matrix, MEAN: self.mean}
        if self.count:
            kept |= {KIND_WEIGHT: self.weight, KIND_BIAS: self.bias}
            kept |= {KIND_SHARE: torch.tensor(self.share), KIND_COUNT: torch.tensor(self.count)}
        return kept


def head_of(tensors: dict[str, Tensor]) -> MetricHead | None:
    """The head that a file keeps; None when there is none that fits together, or values are no numbers."""
    matrix, mean = tensors.get(MATRIX), tensors.get(MEAN)
    if matrix is None or mean is None or mean.ndim != 1 or matrix.shape != (len(mean), len(mean)):
        return None
    kinds = None
    parts = [tensors.get(name) for name in (KIND_WEIGHT, KIND_BIAS, KIND_SHARE, KIND_COUNT)]
    weight, bias, share, count = parts
    if any(part is not None for part in parts):
        if weight is None or bias is None or share is None or count is None or bias.ndim != 1:
            return None
        if weight.shape != (len(bias), len(mean)) or share.numel() != 1 or count.numel() != 1:
            return None
        if int(count) not in (len(bias), len(bias) - 1) or int(count) < 1:
            return None
        kinds = Kinds(weight.float(), bias.float(), float(share), int(count))
    used = [one for one in (matrix, mean, weight, bias, share) if one is not None]
    if not all(bool(one.isfinite().all()) for one in used):
        return None
    return MetricHead(mean.float(), matrix.float(), kinds=kinds).eval()
