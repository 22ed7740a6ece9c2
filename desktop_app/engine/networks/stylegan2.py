"""StyleGAN2 generator with the key names of the rosinality layout (reference, section 1).

Written for plain PyTorch on any device. A modulated convolution scales its input by the style and
its output by the demodulation factor instead of building one weight per sample: the same
mathematics, float results within about 1e-6 relative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.engine.networks.strip_synthesis import StripSynthesis
from desktop_app.engine.ops.stylegan2_ops import (
    ACTIVATION_GAIN,
    LEAK,
    biased_leaky_relu,
    blur,
    blur_kernel,
    upsample_2x,
)

EPSILON = 1e-8
MAPPING_LR = 0.01
# Batches of smaller pictures are rendered together, of larger ones singly.
SINGLY_FROM_PX = 256


def standard_channels(multiplier: int = 2) -> dict[int, int]:
    """Feature maps by resolution of the published generators."""
    return {
        4: 512,
        8: 512,
        16: 512,
        32: 512,
        64: 256 * multiplier,
        128: 128 * multiplier,
        256: 64 * multiplier,
        512: 32 * multiplier,
        1024: 16 * multiplier,
    }


def style_count(size: int) -> int:
    """Rows of a W+ code for an output of `size` pixels: 2 log2(size) - 2."""
    return 2 * int(math.log2(size)) - 2


class EqualLinear(nn.Module):
    """Equalised linear layer: weight times lr / sqrt(in), bias times lr.

    Args:
        in_dim: Input features.
        out_dim: Output features.
        lr_mul: Learning-rate multiplier.
        bias_init: Initial bias.
        activate: Apply the biased leaky ReLU.
    """

    def __init__(
        self,
        in_dim: int,
        out_dim: int,
        *,
        lr_mul: float = 1.0,
        bias_init: float = 0.0,
        activate: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_dim, in_dim) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_dim,), float(bias_init)))
        self.scale = lr_mul / math.sqrt(in_dim)
        self.lr_mul = lr_mul
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        y = F.linear(x, self.weight * self.scale, self.bias * self.lr_mul)
        return F.leaky_relu(y, LEAK) * ACTIVATION_GAIN if self.activate else y


class PixelNorm(nn.Module):
    """z / sqrt(mean(z^2) + 1e-8) over features; no parameters."""

    def forward(self, z: Tensor) -> Tensor:
        """(B, D) -> (B, D)."""
        return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + EPSILON)


class Blur(nn.Module):
    """Holds the blur kernel as a buffer, so that it stands in the state dict."""

    kernel: Tensor

    def __init__(self, gain: float, padding: int) -> None:
        super().__init__()
        self.register_buffer("kernel", blur_kernel(gain))
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """Blur with zero padding."""
        return blur(x, self.kernel, padding=self.padding)


class Upsample(nn.Module):
    """Skip upsampling of the RGB branch."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", blur_kernel(4.0))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        return upsample_2x(x, self.kernel)


class ModulatedConv(nn.Module):
    """Convolution whose input channels are scaled by a style, optionally demodulated.

    Args:
        in_channels: Input feature maps.
        out_channels: Output feature maps.
        kernel: Kernel size, 1 or 3.
        style_dim: Size of a style row.
        demodulate: Scale every output channel to unit expected variance.
        upsample: Transposed convolution of stride 2, then blur.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        style_dim: int,
        *,
        demodulate: bool = True,
        upsample: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, kernel, kernel))
        self.modulation = EqualLinear(style_dim, in_channels, bias_init=1.0)
        self.scale = 1.0 / math.sqrt(in_channels * kernel * kernel)
        self.padding = kernel // 2
        self.demodulate = demodulate
        self.upsample = upsample
        self.delta: tuple[Tensor, Tensor] | None = None
        if upsample:
            self.blur = Blur(4.0, padding=1)

    @torch.no_grad()
    def arrange(self) -> None:
        """Lay the weight out in memory as convolutions over channels-last maps read it.

        The same numbers under the same key. Otherwise a convolution brings them into this order at
        every call: measured 3.0 -> 1.4 ms (8.0 -> 1.8 ms upsampling) for 512 maps of 4x4.
        """
        weight = self.weight[0]
        if self.upsample:
            turned = weight.transpose(0, 1).contiguous(memory_format=torch.channels_last)
            weight = turned.transpose(0, 1)
        else:
            weight = weight.contiguous(memory_format=torch.channels_last)
        self.weight.data = weight[None]

    def effective_weight(self) -> Tensor:
        """The weight, (out, in, k, k), with a low-rank change when one is attached.

        `delta` holds factors (out, r) and (r, in * k * k). They are no part of the state dict: the
        generator itself never changes.
        """
        weight = self.weight[0]
        if self.delta is None:
            return weight
        left, right = self.delta
        return weight + (left @ right).view_as(weight)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, in, H, W) and one style row (B, D) -> (B, out, H or 2H, W or 2W)."""
        weight = self.effective_weight()
        style = self.modulation(w) * self.scale  # (B, in); the weight scale is cheaper here
        x = x * style.to(x.dtype)[:, :, None, None]
        if self.upsample:
            y = F.conv_transpose2d(x, weight.transpose(0, 1).to(x.dtype), stride=2)
        else:
            y = F.conv2d(x, weight.to(x.dtype), padding=self.padding)
        if self.demodulate:
            # half precision underflows in these sums: they stay in float32
            energy = weight.float().square().sum(dim=(2, 3))  # (out, in)
            factor = torch.rsqrt(style.float().square() @ energy.T + EPSILON)  # (B, out)
            y = y * factor.to(y.dtype)[:, :, None, None]
        return self.blur(y) if self.upsample else y


class Noise(nn.Module):
    """Adds `strength * noise`; the strength is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor, noise: Tensor | None) -> Tensor:
        """Add (1 or B, 1, H, W) noise, or nothing when it is None."""
        return x if noise is None else x + self.weight.to(x.dtype) * noise.to(x.dtype)


class BiasedActivation(nn.Module):
    """Bias per channel and leaky ReLU with gain sqrt(2)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        return biased_leaky_relu(x, self.bias)


class StyledConv(nn.Module):
    """Modulated convolution, noise, biased leaky ReLU."""

    def __init__(
        self, in_channels: int, out_channels: int, style_dim: int, *, upsample: bool = False
    ) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, out_channels, 3, style_dim, upsample=upsample)
        self.noise = Noise()
        self.activate = BiasedActivation(out_channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """(B, in, H, W), (B, D) -> (B, out, H or 2H, W or 2W)."""
        out: Tensor = self.activate(self.noise(self.conv(x, w), noise))
        return out


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to RGB, without demodulation, plus the upsampled earlier RGB."""

    def __init__(self, in_channels: int, style_dim: int, *, upsample: bool = True) -> None:
        super().__init__()
        self.conv = ModulatedConv(in_channels, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))
        if upsample:
            self.upsample = Upsample()

    def forward(self, x: Tensor, w: Tensor, skip: Tensor | None = None) -> Tensor:
        """(B, in, H, W) -> (B, 3, H, W), float32 so that sums over scales stay exact."""
        rgb = self.conv(x, w).float() + self.bias
        return rgb if skip is None else rgb + self.upsample(skip)


class ConstantInput(nn.Module):
    """The learned 4x4 start of the synthesis."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, batch: int) -> Tensor:
        """(B, C, 4, 4)."""
        return self.input.expand(batch, -1, -1, -1)


class Generator(nn.Module):
    """StyleGAN2: mapping network `style` and synthesis (Karras et al., 2020).

    Args:
        size: Output pixels, a power of two from 8 to 1024.
        style_dim: Size D of a style row.
        n_mlp: Layers of the mapping network.
        channels: Feature maps by resolution; None: the published ones.
    """

    def __init__(
        self, size: int, *, style_dim: int = 512, n_mlp: int = 8, channels: dict[int, int] | None = None
    ) -> None:
        super().__init__()
        widths = channels or standard_channels()
        self.size = size
        self.style_dim = style_dim
        self.n_latent = style_count(size)
        self.num_layers = self.n_latent - 1
        self._strips: StripSynthesis | None = None
        mapping: list[nn.Module] = [PixelNorm()]
        mapping += [EqualLinear(style_dim, style_dim, lr_mul=MAPPING_LR, activate=True) for _ in range(n_mlp)]
        self.style = nn.Sequential(*mapping)
        self.input = ConstantInput(widths[4])
        self.conv1 = StyledConv(widths[4], widths[4], style_dim)
        self.to_rgb1 = ToRGB(widths[4], style_dim, upsample=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        self.noises = nn.Module()
        for k in range(self.num_layers):
            side = 2 ** ((k + 5) // 2)
            self.noises.register_buffer(f"noise_{k}", torch.randn(1, 1, side, side))
        before = widths[4]
        for level in range(3, int(math.log2(size)) + 1):
            width = widths[2**level]
            self.convs.append(StyledConv(before, width, style_dim, upsample=True))
            self.convs.append(StyledConv(width, width, style_dim))
            self.to_rgbs.append(ToRGB(width, style_dim))
            before = width

    def blocks(self) -> list[tuple[StyledConv, StyledConv, ToRGB]]:
        """The layers of each resolution from 8 px on: upsampling, same size, to RGB."""
        ups = [layer for layer in self.convs if isinstance(layer, StyledConv)]
        rgbs = [layer for layer in self.to_rgbs if isinstance(layer, ToRGB)]
        return list(zip(ups[::2], ups[1::2], rgbs, strict=True))

    def arrange(self) -> None:
        """Lay all convolution weights out for speed, in place; nothing else changes."""
        for module in self.modules():
            if isinstance(module, ModulatedConv):
                module.arrange()

    def registered_noise(self) -> list[Tensor | None]:
        """The noise maps of the checkpoint, one a layer: reproducible images."""
        return [getattr(self.noises, f"noise_{k}") for k in range(self.num_layers)]

    def fresh_noise(self, batch: int, generator: torch.Generator | None = None) -> list[Tensor | None]:
        """New N(0, 1) noise for every sample and layer."""
        device = self.input.input.device
        sides = [2 ** ((k + 5) // 2) for k in range(self.num_layers)]
        return [torch.randn(batch, 1, s, s, generator=generator).to(device) for s in sides]

    def map_z(self, z: Tensor) -> Tensor:
        """Mapping network: (B, D) normal -> w (B, D)."""
        w: Tensor = self.style(z)
        return w

    def mean_latent(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Mean of the mapping of `count` normal samples, (1, D)."""
        z = torch.randn(count, self.style_dim, generator=generator).to(self.input.input.device)
        return self.map_z(z).mean(dim=0, keepdim=True)

    def synthesize(
        self,
        w_plus: Tensor,
        *,
        noise: Sequence[Tensor | None] | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """W+ code to image.

        Args:
            w_plus: (B, n_latent, D).
            noise: One map a layer, None entries for no noise; None: the registered maps.
            dtype: Precision of the feature maps; demodulation and RGB sums stay float32.

        Returns:
            (B, 3, size, size) float32, nominally [-1, 1], not clipped.
        """
        if w_plus.dim() != 3 or w_plus.shape[1:] != (self.n_latent, self.style_dim):
            raise ValueError(f"expected (B, {self.n_latent}, {self.style_dim}), got {tuple(w_plus.shape)}")
        maps = self.registered_noise() if noise is None else list(noise)
        if self._can_cut_strips(w_plus):
            return self._synthesize_singly(w_plus, maps, dtype)
        rows = w_plus.unbind(dim=1)
        x = self.input(w_plus.shape[0]).to(dtype=dtype, memory_format=torch.channels_last)
        x = self.conv1(x, rows[0], maps[0])
        rgb = self.to_rgb1(x, rows[1])
        for j, to_rgb in enumerate(self.to_rgbs):
            i = 2 * j + 1
            x = self.convs[2 * j](x, rows[i], maps[i])
            x = self.convs[2 * j + 1](x, rows[i + 1], maps[i + 1])
            rgb = to_rgb(x, rows[i + 2], rgb)
        image: Tensor = rgb
        return image

    def _can_cut_strips(self, w_plus: Tensor) -> bool:
        """Single pictures and large ones, on a CPU, without gradients."""
        if torch.is_grad_enabled() or w_plus.device.type != "cpu":
            return False
        return w_plus.shape[0] == 1 or self.size >= SINGLY_FROM_PX

    def _synthesize_singly(self, w_plus: Tensor, maps: Sequence[Tensor | None], dtype: torch.dtype) -> Tensor:
        if self._strips is None:
            self._strips = StripSynthesis()
        images = []
        for b, rows in enumerate(w_plus):
            own = [n if n is None or n.shape[0] == 1 else n[b : b + 1] for n in maps]
            images.append(self._strips.render(self, rows, own, dtype))
        return images[0] if len(images) == 1 else torch.cat(images)

    def repeat_w(self, w: Tensor) -> Tensor:
        """One w for every layer: (B, D) -> (B, n_latent, D)."""
        return w[:, None].expand(-1, self.n_latent, -1)

    def mix(self, first: Tensor, second: Tensor, *, crossover: int) -> Tensor:
        """Style mixing: `crossover` rows of the first w, the rest of the second; (B, n_latent, D)."""
        rest = self.n_latent - crossover
        return torch.cat(
            [first[:, None].expand(-1, crossover, -1), second[:, None].expand(-1, rest, -1)], dim=1
        )

    def forward(self, w_plus: Tensor) -> Tensor:
        """`synthesize` with the registered noise."""
        return self.synthesize(w_plus)


def truncate(w: Tensor, w_avg: Tensor, psi: float) -> Tensor:
    """Truncation on every layer: w_avg + psi * (w - w_avg)."""
    return w_avg + psi * (w - w_avg)
