"""Synthesis of one picture on a CPU, in horizontal strips that stay in the processor's cache.

The same mathematics as `Generator.synthesize`, arranged for one code without gradients:

- Maps of a megabyte or more are never written as a whole between the layers of a block: strips of
  some rows go through upsampling convolution, blur, noise, activation, convolution and ToRGB before
  the next strip starts. Measured on a 1024-px generator, fresh memory of 100 MB a layer cost more
  time than the arithmetic.
- Style and demodulation are multiplied into the small weights of the fine layers instead of their
  big maps, and the activation's gain of sqrt(2) with them: sqrt(2) * leaky_relu(v) is
  leaky_relu(sqrt(2) * v). Coarse layers have big weights and small maps: there the map is scaled.
- The sums of squared weights that demodulation needs are kept as long as the weights do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.ops.stylegan2_ops import ACTIVATION_GAIN, LEAK, upsample_2x_bilinear

if TYPE_CHECKING:
    from desktop_app.engine.networks.stylegan2 import Generator, ModulatedConv, StyledConv, ToRGB

EPSILON = 1e-8
# Bytes of one strip of a map. Measured from 1 to 17 MB on a core with 2 MB of second-level cache:
# times agree within a tenth up to 5 MB and double above 9 MB.
STRIP_BYTES = 4_000_000
# Smaller maps are worked on whole.
WHOLE_BYTES = 9_000_000


@dataclass(slots=True)
class _Energy:
    """Sums of squared weights of one layer, (out, in), and what they were computed from."""

    mark: tuple[int, int]
    values: Tensor


@dataclass(frozen=True, slots=True)
class _Layer:
    """A styled convolution with style, demodulation and gain multiplied into its weights."""

    weight: Tensor
    bias: Tensor
    strength: float
    noise: Tensor | None


class StripSynthesis:
    """Renders single codes for one generator, whose weights may change between two calls.

    Args:
        strip_bytes: Aimed size of a strip.
        whole_bytes: Maps up to this size are not cut.
    """

    def __init__(self, *, strip_bytes: int = STRIP_BYTES, whole_bytes: int = WHOLE_BYTES) -> None:
        self._strip_bytes = strip_bytes
        self._whole_bytes = whole_bytes
        self._energies: dict[int, _Energy] = {}

    def render(
        self, generator: Generator, rows: Tensor, noise: Sequence[Tensor | None], dtype: torch.dtype
    ) -> Tensor:
        """One code to its picture.

        Args:
            generator: The generator this object was made for.
            rows: Style rows, (L, D).
            noise: One map a layer, (1, 1, H, W), or None.
            dtype: Precision of the maps.

        Returns:
            (1, 3, size, size) float32, not clipped.
        """
        x = generator.input(1).to(dtype=dtype, memory_format=torch.channels_last)
        x = self._whole_layer(generator.conv1, x, rows[0], noise[0])
        rgb = self._to_rgb(generator.to_rgb1, x, rows[1])
        blocks = generator.blocks()
        for j, block in enumerate(blocks):
            up, same, to_rgb = block
            styles = rows[2 * j + 1 : 2 * j + 4]
            maps = noise[2 * j + 1 : 2 * j + 3]
            rgb = upsample_2x_bilinear(rgb)
            out_channels = up.conv.weight.shape[1]
            if out_channels * rgb.shape[-1] ** 2 * x.element_size() <= self._whole_bytes:
                x = self._whole_layer(up, x, styles[0], maps[0])
                x = self._whole_layer(same, x, styles[1], maps[1])
                rgb += self._to_rgb(to_rgb, x, styles[2])
            else:
                keep = j + 1 < len(blocks)
                x = self._block_in_strips(block, x, rgb, styles=styles, maps=maps, keep=keep)
        return rgb

    def _whole_layer(self, layer: StyledConv, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        conv = layer.conv
        style = conv.modulation(w[None])[0] * conv.scale
        factor = self._demodulation(conv, style) * ACTIVATION_GAIN
        bias = layer.activate.bias * ACTIVATION_GAIN
        x = x * style.to(x.dtype)[:, None, None]
        weight = conv.effective_weight().to(x.dtype)
        if conv.upsample:
            y = F.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
            y = y.mul_(factor.to(y.dtype)[:, None, None])
            y = F.conv2d(y, _per_channel(conv.blur.kernel, y), bias.to(y.dtype), padding=1, groups=y.shape[1])
        else:
            y = F.conv2d(x, weight, padding=conv.padding)
            y = y.mul_(factor.to(y.dtype)[:, None, None]).add_(bias.to(y.dtype)[:, None, None])
        return _activate(y, noise, float(layer.noise.weight) * ACTIVATION_GAIN)

    def _to_rgb(self, layer: ToRGB, x: Tensor, w: Tensor) -> Tensor:
        weight, bias = self._rgb_weight(layer, w, x.dtype)
        return F.conv2d(x, weight).float() + bias

    def _rgb_weight(self, layer: ToRGB, w: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        style = layer.conv.modulation(w[None])[0] * layer.conv.scale
        return (layer.conv.effective_weight() * style[:, None, None]).to(dtype), layer.bias

    def _demodulation(self, conv: ModulatedConv, style: Tensor) -> Tensor:
        """Factor per output channel, (out,); `style` includes the weight scale."""
        energy = self._energy(conv)
        return torch.rsqrt(energy @ style.float().square() + EPSILON)

    def _energy(self, conv: ModulatedConv) -> Tensor:
        """Sums of squared weights, (out, in); kept while nothing changes them."""
        weight = conv.weight
        if conv.delta is not None or weight.requires_grad or weight.is_inference():
            return conv.effective_weight().float().square().sum(dim=(2, 3))
        mark = (weight.data_ptr(), weight._version)
        known = self._energies.get(id(weight))
        if known is None or known.mark != mark:
            known = _Energy(mark, weight[0].float().square().sum(dim=(2, 3)))
            self._energies[id(weight)] = known
        return known.values

    def _folded(self, layer: StyledConv, w: Tensor, noise: Tensor | None, dtype: torch.dtype) -> _Layer:
        conv = layer.conv
        style = conv.modulation(w[None])[0] * conv.scale
        factor = self._demodulation(conv, style) * ACTIVATION_GAIN
        weight = conv.effective_weight() * (factor[:, None] * style)[:, :, None, None]
        if conv.upsample:
            weight = weight.transpose(0, 1)
        return _Layer(
            weight=weight.to(dtype=dtype, memory_format=torch.channels_last),
            bias=(layer.activate.bias * ACTIVATION_GAIN).to(dtype),
            strength=float(layer.noise.weight) * ACTIVATION_GAIN,
            noise=noise,
        )

    def _block_in_strips(
        self,
        block: tuple[StyledConv, StyledConv, ToRGB],
        x: Tensor,
        rgb: Tensor,
        *,
        styles: Tensor,
        maps: Sequence[Tensor | None],
        keep: bool,
    ) -> Tensor:
        """One resolution; adds into `rgb` and returns the new map (its last strip when not kept)."""
        up = self._folded(block[0], styles[0], maps[0], x.dtype)
        same = self._folded(block[1], styles[1], maps[1], x.dtype)
        rgb_weight, rgb_bias = self._rgb_weight(block[2], styles[2], x.dtype)
        side, channels = rgb.shape[-1], same.weight.shape[0]
        kernel = _per_channel(block[0].conv.blur.kernel, same.weight)
        height = min(max(4, self._strip_bytes // (channels * side * x.element_size())), side)
        # rows top - 1 .. bottom of the upsampled map; the last two serve the next strip as well
        window = _empty(channels, height + 2, side, like=x)
        out = _empty(channels, side, side, like=x) if keep else _empty(channels, height, side, like=x)
        for top in range(0, side, height):
            bottom = min(top + height, side)
            if top == 0:
                window[:, :, 0] = 0
            else:
                window[:, :, :2] = window[:, :, height:]
            first, end = (0 if top == 0 else top + 1), min(bottom + 1, side)
            at = first - top + 1
            _upsampled_rows(x, up, kernel, first=first, out=window[:, :, at : at + end - first])
            if bottom == side:
                window[:, :, side - top + 1] = 0
            y = F.conv2d(window[:, :, : bottom - top + 2], same.weight, same.bias, padding=(0, 1))
            place = out[:, :, top:bottom] if keep else out[:, :, : bottom - top]
            _activate_into(place, y, _rows(same.noise, top, bottom), same.strength)
            rgb[:, :, top:bottom] += F.conv2d(place, rgb_weight).float() + rgb_bias
        return out


def _empty(channels: int, height: int, width: int, *, like: Tensor) -> Tensor:
    return torch.empty((1, channels, height, width), dtype=like.dtype, memory_format=torch.channels_last)


def _upsampled_rows(x: Tensor, layer: _Layer, kernel: Tensor, *, first: int, out: Tensor) -> None:
    """Rows of an upsampling layer's output, written into `out`.

    Args:
        x: The whole input map, (1, C, h, w); the output has 2h rows.
        layer: Folded weights.
        kernel: Blur kernel of every channel.
        first: First wanted row.
        out: (1, C', rows, 2w): as many rows from there on, all inside the map.
    """
    h, end = x.shape[2], first + out.shape[2]
    # output row r of the blur reads rows r - 1 .. r + 2 of the transposed convolution (2h + 1 rows)
    need, need_end = first - 1, end + 2
    has, has_end = max(need, 0), min(need_end, 2 * h + 1)
    low, low_end = max(0, (has - 1) // 2), min(h, (has_end - 1) // 2 + 1)
    t = F.conv_transpose2d(x[:, :, low:low_end], layer.weight, stride=2)
    t = t[:, :, has - 2 * low : has_end - 2 * low]
    if has > need or need_end > has_end:
        t = F.pad(t, (0, 0, has - need, need_end - has_end))
    y = F.conv2d(t, kernel, layer.bias, padding=(0, 1), groups=t.shape[1])
    _activate_into(out, y, _rows(layer.noise, first, end), layer.strength)


def _activate_into(out: Tensor, y: Tensor, noise: Tensor | None, strength: float) -> None:
    """Noise and leaky ReLU; `y` is used up."""
    if noise is not None and strength != 0.0:
        y.add_(noise.to(y.dtype), alpha=strength)
    torch.ops.aten.leaky_relu.out(y, LEAK, out=out)


def _activate(y: Tensor, noise: Tensor | None, strength: float) -> Tensor:
    """Noise and leaky ReLU, in place."""
    if noise is not None and strength != 0.0:
        y.add_(noise.to(y.dtype), alpha=strength)
    return F.leaky_relu_(y, LEAK)


def _per_channel(kernel: Tensor, like: Tensor) -> Tensor:
    """One blur kernel for every channel, (C, 1, 4, 4)."""
    return kernel.to(like.dtype).expand(like.shape[1], 1, *kernel.shape).contiguous()


def _rows(noise: Tensor | None, top: int, bottom: int) -> Tensor | None:
    return None if noise is None else noise[:, :, top:bottom]
