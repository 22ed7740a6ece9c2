"""ArcFace with the IR-SE50 backbone and its embedding head (reference, sections 2.1 and 6)."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.engine.networks.backbones import IR_SE50_UNITS, STANDARD_WIDTHS, ir_se_body, ir_se_input

INPUT_PX = 112
EMBEDDING_SIZE = 512
# the part of a 256-px FFHQ crop that ArcFace was shown in training: rows, columns
CROP_ROWS = slice(35, 223)
CROP_COLUMNS = slice(32, 220)
CROP_OF_PX = 256
DROPOUT = 0.4


class ArcFace(nn.Module):
    """Faces to unit-length identity embeddings; keys of `model_ir_se50.pth`.

    Args:
        units: Blocks of the four groups.
        widths: Feature maps of the four groups.
        input_px: Side of the cropped face, a multiple of 16.
        embedding_size: Size D of the embedding.
    """

    def __init__(
        self,
        units: tuple[int, ...] = IR_SE50_UNITS,
        widths: tuple[int, ...] = STANDARD_WIDTHS,
        *,
        input_px: int = INPUT_PX,
        embedding_size: int = EMBEDDING_SIZE,
    ) -> None:
        super().__init__()
        self.input_px = input_px
        self.input_layer = ir_se_input(3, widths[0])
        self.body = ir_se_body(units, widths)
        side = input_px // 16
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(widths[-1]),
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(widths[-1] * side * side, embedding_size),
            nn.BatchNorm1d(embedding_size),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Cropped faces (B, 3, input_px, input_px) in [-1, 1] -> (B, D), unit length."""
        return F.normalize(self.output_layer(self.body(self.input_layer(x))), dim=1)

    def embed_aligned(self, x: Tensor) -> Tensor:
        """FFHQ-aligned faces (B, 3, 256, 256) -> (B, D), unit length: crops and pools first."""
        if x.shape[-2:] != (CROP_OF_PX, CROP_OF_PX):
            x = F.adaptive_avg_pool2d(x, CROP_OF_PX)
        return self(F.adaptive_avg_pool2d(x[:, :, CROP_ROWS, CROP_COLUMNS], self.input_px))
