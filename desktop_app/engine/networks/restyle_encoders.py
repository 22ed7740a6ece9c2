"""Inversion encoders: ReStyle-pSp, ReStyle-e4e, pSp and e4e (reference, sections 2.3 and 2.4).

Key names are those of the official checkpoints; `EncoderShape` allows narrower networks for
smaller images with the same blocks and keys.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.engine.networks.backbones import (
    IR_SE50_UNITS,
    RESNET34_UNITS,
    STANDARD_WIDTHS,
    ir_se_body,
    ir_se_input,
    resnet34_body,
)
from desktop_app.engine.networks.stylegan2 import EqualLinear

MAP2STYLE_LEAK = 0.01
COARSE_ROWS = 3  # rows 0..2 read c3, 3..6 read p2, 7.. read p1
MIDDLE_ROWS = 7
ALL_STAGES = 18
MATRIX_ROWS = 256  # up to so many output pixels a stride-2 convolution is a matrix product
INTO_W_PLUS_SIDE = 7  # side of the reduced map of the IntoWPlus head


@dataclass(frozen=True, slots=True)
class EncoderShape:
    """Sizes of an encoder.

    Attributes:
        n_styles: Rows of the W+ code.
        input_nc: 6 for ReStyle (photo and estimate), 3 for one-pass encoders.
        style_dim: Size of a row.
        widths: Feature maps of the four groups.
        units: Blocks in the four groups; None: IR-SE50 or ResNet34.
        input_px: Input height and width; 256 in the official models.
    """

    n_styles: int
    input_nc: int = 6
    style_dim: int = 512
    widths: tuple[int, ...] = STANDARD_WIDTHS
    units: tuple[int, ...] | None = None
    input_px: int = 256

    @property
    def final_side(self) -> int:
        """Side of the last feature map: four stride-2 steps below the input."""
        return self.input_px // 16


class GradualStyleBlock(nn.Module):
    """map2style: stride-2 convolutions down to 1x1, then an equalised linear layer."""

    def __init__(self, in_channels: int, style_dim: int, spatial: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = in_channels
        for _ in range(max(int(math.log2(spatial)), 1)):
            layers += [nn.Conv2d(before, style_dim, 3, 2, 1), nn.LeakyReLU(MAP2STYLE_LEAK)]
            before = style_dim
        self.convs = nn.Sequential(*layers)
        self.linear = EqualLinear(style_dim, style_dim)
        self.style_dim = style_dim

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, spatial, spatial) -> (B, D)."""
        for layer in self.convs:
            x = stride_2_conv(x, layer) if isinstance(layer, nn.Conv2d) else layer(x)
        row: Tensor = self.linear(x.reshape(-1, self.style_dim).float())
        return row


def stride_2_conv(x: Tensor, conv: nn.Conv2d) -> Tensor:
    """A 3x3 convolution of stride 2 and padding 1, as one matrix product where that is faster.

    On small maps a convolution spends most of its time bringing the weights into its own order. A
    channels-last weight already is the (out, 9 * in) matrix of a product with gathered windows:
    measured 3.6 -> 2.3 ms for 512 maps of 16x16, 2.3 -> 1.3 ms for 8x8.
    """
    batch, channels, height, width = x.shape
    weight = conv.weight
    rows = batch * ((height + 1) // 2) * ((width + 1) // 2)
    is_plain = torch.is_grad_enabled() or x.device.type != "cpu" or rows > MATRIX_ROWS
    if is_plain or not weight.is_contiguous(memory_format=torch.channels_last):
        out: Tensor = conv(x)
        return out
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))  # (B, H + 2, W + 2, C)
    windows = padded.unfold(1, 3, 2).unfold(2, 3, 2).permute(0, 1, 2, 4, 5, 3)
    gathered = windows.reshape(rows, 9 * channels)
    matrix = weight.permute(0, 2, 3, 1).reshape(weight.shape[0], -1)
    product = F.linear(gathered, matrix, conv.bias)
    return product.view(batch, windows.shape[1], windows.shape[2], -1).permute(0, 3, 1, 2)


class _IrSeStem(nn.Module):
    """IR-SE input layer and body."""

    default_units: tuple[int, ...] = IR_SE50_UNITS

    def _build_backbone(self, shape: EncoderShape) -> None:
        self.input_layer = ir_se_input(shape.input_nc, shape.widths[0])
        self.body = ir_se_body(shape.units or IR_SE50_UNITS, shape.widths)

    def _stem(self, x: Tensor) -> Tensor:
        out: Tensor = self.input_layer(x)
        return out


class _ResNetStem(nn.Module):
    """ResNet34 input layer (7x7, PReLU, no max-pool) and body."""

    default_units: tuple[int, ...] = RESNET34_UNITS

    def _build_backbone(self, shape: EncoderShape) -> None:
        self.conv1 = nn.Conv2d(shape.input_nc, shape.widths[0], 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(shape.widths[0])
        self.relu = nn.PReLU(shape.widths[0])
        self.body = resnet34_body(shape.units or RESNET34_UNITS, shape.widths)

    def _stem(self, x: Tensor) -> Tensor:
        out: Tensor = self.relu(self.bn1(self.conv1(x)))
        return out


class _FinalMapStyles(nn.Module):
    """All rows from the final feature map, stacked."""

    body: nn.Sequential
    _build_backbone: Callable[[EncoderShape], None]
    _stem: Callable[[Tensor], Tensor]

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self._build_backbone(shape)
        self.styles = nn.ModuleList(
            GradualStyleBlock(shape.widths[-1], shape.style_dim, shape.final_side)
            for _ in range(shape.n_styles)
        )

    def features(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, widths[-1], H / 16, W / 16)."""
        out: Tensor = self.body(self._stem(x))
        return out

    def forward(self, x: Tensor) -> Tensor:
        """(B, input_nc, H, W) -> residual W+ code, (B, n_styles, D)."""
        features = self.features(x)
        return torch.stack([style(features) for style in self.styles], dim=1)


class _DeltaStyles(_FinalMapStyles):
    """w0 for all rows plus one delta a row (e4e); `stage` limits the deltas while training."""

    stage = ALL_STAGES

    def forward(self, x: Tensor) -> Tensor:
        """(B, input_nc, H, W) -> (B, n_styles, D)."""
        features = self.features(x)
        rows = [features] * self.shape.n_styles
        return w0_plus_deltas(self.styles, rows, self.stage)


def w0_plus_deltas(styles: nn.ModuleList, row_features: Sequence[Tensor], stage: int) -> Tensor:
    """w0 from the first block, repeated, plus deltas of rows 1..min(stage, n - 1)."""
    w0 = styles[0](row_features[0])
    last = min(stage, len(styles) - 1)
    rows = [w0]
    for i in range(1, len(styles)):
        rows.append(w0 + styles[i](row_features[i]) if i <= last else w0)
    return torch.stack(rows, dim=1)


class _PyramidStyles(nn.Module):
    """Feature pyramid (pSp): coarse, middle and fine rows read three scales."""

    default_units: tuple[int, ...]
    body: nn.Sequential
    _build_backbone: Callable[[EncoderShape], None]
    _stem: Callable[[Tensor], Tensor]

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self._build_backbone(shape)
        width = shape.widths[-1]
        side = shape.final_side
        spatials = [
            side if i < COARSE_ROWS else 2 * side if i < MIDDLE_ROWS else 4 * side
            for i in range(shape.n_styles)
        ]
        units = shape.units or self.default_units
        self.tap_layers = tuple(sum(units[: group + 1]) - 1 for group in (1, 2, 3))
        self.styles = nn.ModuleList(GradualStyleBlock(width, shape.style_dim, s) for s in spatials)
        self.latlayer1 = nn.Conv2d(shape.widths[2], width, 1)
        self.latlayer2 = nn.Conv2d(shape.widths[1], width, 1)

    def row_features(self, x: Tensor) -> list[Tensor]:
        """The feature map that each row reads."""
        x = self._stem(x)
        taps = []
        for i, block in enumerate(self.body):
            x = block(x)
            if i in self.tap_layers:
                taps.append(x)
        c1, c2, c3 = taps  # ends of the second, third and fourth group
        p2 = _resize_to(c3, c2) + self.latlayer1(c2)
        p1 = _resize_to(p2, c1) + self.latlayer2(c1)
        return [c3 if i < COARSE_ROWS else p2 if i < MIDDLE_ROWS else p1 for i in range(self.shape.n_styles)]

    def forward(self, x: Tensor) -> Tensor:
        """(B, input_nc, H, W) -> (B, n_styles, D)."""
        rows = self.row_features(x)
        return torch.stack([style(row) for style, row in zip(self.styles, rows, strict=True)], dim=1)


def _resize_to(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=True)


class BackboneEncoder(_IrSeStem, _FinalMapStyles):
    """ReStyle-pSp, faces."""


class ResNetBackboneEncoder(_ResNetStem, _FinalMapStyles):
    """ReStyle-pSp, other domains."""


class ProgressiveBackboneEncoder(_IrSeStem, _DeltaStyles):
    """ReStyle-e4e, faces."""


class ResNetProgressiveBackboneEncoder(_ResNetStem, _DeltaStyles):
    """ReStyle-e4e, other domains."""


class GradualStyleEncoder(_IrSeStem, _PyramidStyles):
    """Original pSp, faces."""


class ResNetGradualStyleEncoder(_ResNetStem, _PyramidStyles):
    """Original pSp, other domains."""


class Encoder4Editing(GradualStyleEncoder):
    """Original e4e: w0 and deltas on the pyramid levels."""

    stage = ALL_STAGES

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, n_styles, D)."""
        return w0_plus_deltas(self.styles, self.row_features(x), self.stage)


class BackboneEncoderUsingLastLayerIntoW(_IrSeStem, nn.Module):
    """Original pSp, one w for all rows: global mean of the final map, equalised linear layer."""

    body: nn.Sequential

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self._build_backbone(shape)
        self.linear = EqualLinear(shape.widths[-1], shape.style_dim)

    def forward(self, x: Tensor) -> Tensor:
        """(B, input_nc, H, W) -> w, (B, D)."""
        features = self.body(self._stem(x)).mean(dim=(2, 3))
        w: Tensor = self.linear(features.float())
        return w


class SingleStyleCodeEncoder(BackboneEncoderUsingLastLayerIntoW):
    """Original e4e, one w repeated for all rows."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, input_nc, H, W) -> (B, n_styles, D), rows equal."""
        return super().forward(x)[:, None].repeat(1, self.shape.n_styles, 1)


class BackboneEncoderUsingLastLayerIntoWPlus(_IrSeStem, nn.Module):
    """Original pSp, all rows by one linear layer over the final map, reduced to 7x7."""

    body: nn.Sequential

    def __init__(self, shape: EncoderShape) -> None:
        super().__init__()
        self.shape = shape
        self._build_backbone(shape)
        width = shape.widths[-1]
        self.output_layer_2 = nn.Sequential(
            nn.BatchNorm2d(width),
            nn.AdaptiveAvgPool2d(INTO_W_PLUS_SIDE),
            nn.Flatten(),
            nn.Linear(width * INTO_W_PLUS_SIDE**2, shape.style_dim),
        )
        self.linear = EqualLinear(shape.style_dim, shape.style_dim * shape.n_styles)

    def forward(self, x: Tensor) -> Tensor:
        """(B, input_nc, H, W) -> (B, n_styles, D)."""
        reduced = self.output_layer_2(self.body(self._stem(x)))
        rows: Tensor = self.linear(reduced.float())
        return rows.view(-1, self.shape.n_styles, self.shape.style_dim)


ENCODERS: dict[str, Callable[[EncoderShape], nn.Module]] = {
    "BackboneEncoder": BackboneEncoder,
    "ResNetBackboneEncoder": ResNetBackboneEncoder,
    "ProgressiveBackboneEncoder": ProgressiveBackboneEncoder,
    "ResNetProgressiveBackboneEncoder": ResNetProgressiveBackboneEncoder,
    "GradualStyleEncoder": GradualStyleEncoder,
    "ResNetGradualStyleEncoder": ResNetGradualStyleEncoder,
    "Encoder4Editing": Encoder4Editing,
    "BackboneEncoderUsingLastLayerIntoW": BackboneEncoderUsingLastLayerIntoW,
    "BackboneEncoderUsingLastLayerIntoWPlus": BackboneEncoderUsingLastLayerIntoWPlus,
    "SingleStyleCodeEncoder": SingleStyleCodeEncoder,
}


def create_encoder(encoder_type: str, shape: EncoderShape) -> nn.Module:
    """Build an encoder by its official name.

    Raises:
        ValueError: The name is not known.
    """
    if encoder_type not in ENCODERS:
        raise ValueError(f"unknown encoder type {encoder_type!r}; known: {', '.join(ENCODERS)}")
    return ENCODERS[encoder_type](shape)
