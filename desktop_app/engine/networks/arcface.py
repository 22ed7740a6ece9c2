"""Face recognition: ArcFace on IR-SE50, CurricularFace on IR-101 (reference, sections 2.1, 6 and 8)."""

from __future__ import annotations

import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.engine.networks.backbones import (
    IR_101_UNITS,
    IR_SE50_UNITS,
    STANDARD_WIDTHS,
    ir_se_body,
    ir_se_input,
)

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
        is_curricular: CurricularFace's layout: blocks without squeeze-excite, last norm without
            scale and shift.
    """

    def __init__(
        self,
        units: tuple[int, ...] = IR_SE50_UNITS,
        widths: tuple[int, ...] = STANDARD_WIDTHS,
        *,
        input_px: int = INPUT_PX,
        embedding_size: int = EMBEDDING_SIZE,
        is_curricular: bool = False,
    ) -> None:
        super().__init__()
        self.input_px = input_px
        self.input_layer = ir_se_input(3, widths[0])
        self.body = ir_se_body(units, widths, has_gate=not is_curricular)
        side = input_px // 16
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(widths[-1]),
            nn.Dropout(DROPOUT),
            nn.Flatten(),
            nn.Linear(widths[-1] * side * side, embedding_size),
            nn.BatchNorm1d(embedding_size, affine=not is_curricular),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Cropped faces (B, 3, input_px, input_px) in [-1, 1] -> (B, D), unit length."""
        return F.normalize(self.output_layer(self.body(self.input_layer(x))), dim=1)

    def embed_aligned(self, x: Tensor) -> Tensor:
        """FFHQ-aligned faces (B, 3, 256, 256) -> (B, D), unit length: crops and pools first."""
        return self(F.adaptive_avg_pool2d(face_part(x), self.input_px))


def curricular_face() -> ArcFace:
    """The network of `CurricularFace_Backbone.pth`, 112 px."""
    return ArcFace(IR_101_UNITS, is_curricular=True)


def face_part(x: Tensor) -> Tensor:
    """The part of FFHQ-aligned faces (B, 3, H, W) that recognition looks at, (B, 3, 188, 188)."""
    if x.shape[-2:] != (CROP_OF_PX, CROP_OF_PX):
        x = F.adaptive_avg_pool2d(x, CROP_OF_PX)
    return x[:, :, CROP_ROWS, CROP_COLUMNS]
