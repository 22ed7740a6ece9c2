"""StyleGAN2: layers against slow plain formulas, gradients, and the path in strips."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from desktop_app.engine.networks.strip_synthesis import StripSynthesis
from desktop_app.engine.networks.stylegan2 import Generator, ModulatedConv, ToRGB, style_count, truncate
from desktop_app.engine.ops.stylegan2_ops import blur, blur_kernel, upsample_2x, upsample_2x_bilinear

CHANNELS = {4: 12, 8: 10, 16: 8, 32: 6, 64: 5, 128: 4}


def tiny(size: int = 64, seed: int = 0) -> Generator:
    torch.manual_seed(seed)
    generator = Generator(size, style_dim=16, n_mlp=2, channels=CHANNELS).eval().requires_grad_(False)
    for name, values in generator.named_parameters():
        if name.endswith(("noise.weight", "activate.bias")) or (name.endswith("bias") and "to_rgb" in name):
            values.normal_(0, 0.3)
    return generator


@pytest.fixture
def no_grad() -> Iterator[None]:
    with torch.no_grad():
        yield


def slow_modulated(conv: ModulatedConv, x: Tensor, w: Tensor) -> Tensor:
    """Per-sample weights, as the papers write it."""
    style = w @ (conv.modulation.weight * conv.modulation.scale).T + conv.modulation.bias
    outputs = []
    for b in range(x.shape[0]):
        weight = conv.weight[0] * style[b][None, :, None, None] / math.sqrt(conv.weight[0][0].numel())
        if conv.demodulate:
            weight = weight * torch.rsqrt(weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8)
        if conv.upsample:
            y = F.conv_transpose2d(x[b : b + 1], weight.transpose(0, 1), stride=2)
            kernel = torch.tensor([1.0, 3.0, 3.0, 1.0])
            kernel = torch.outer(kernel, kernel) / 16
            channels = y.shape[1]
            y = F.conv2d(F.pad(y, (1, 1, 1, 1)), kernel.expand(channels, 1, 4, 4), groups=channels)
        else:
            y = F.conv2d(x[b : b + 1], weight, padding=conv.padding)
        outputs.append(y)
    return torch.cat(outputs)


@pytest.mark.parametrize(
    ("kernel", "up", "demodulate"), [(3, False, True), (3, True, True), (1, False, False)]
)
def test_modulated_convolution_equals_weights_built_per_sample(
    kernel: int, up: bool, demodulate: bool
) -> None:
    torch.manual_seed(1)
    conv = ModulatedConv(6, 5, kernel, 16, upsample=up, demodulate=demodulate)
    x, w = torch.randn(3, 6, 8, 8), torch.randn(3, 16)
    assert torch.allclose(conv(x, w), slow_modulated(conv, x, w), atol=1e-5)


def test_blur_keeps_the_mean_inside() -> None:
    x = torch.ones(1, 2, 9, 9)
    assert torch.allclose(blur(x, blur_kernel(), padding=0), torch.ones(1, 2, 6, 6))


def test_upsampling_inserts_zeros_and_convolves() -> None:
    x = torch.randn(2, 3, 5, 5)
    inserted = torch.zeros(2, 3, 10, 10)
    inserted[:, :, ::2, ::2] = x
    expected = blur(F.pad(inserted, (2, 1, 2, 1)), blur_kernel(4.0), padding=0)
    assert torch.allclose(upsample_2x(x, blur_kernel(4.0)), expected, atol=1e-6)
    assert torch.allclose(upsample_2x_bilinear(x), expected, atol=1e-6)


@pytest.mark.parametrize(("size", "strip_bytes"), [(8, 1), (64, 1), (64, 2_000), (128, 40_000)])
@pytest.mark.usefixtures("no_grad")
def test_strips_render_what_the_plain_path_renders(size: int, strip_bytes: int) -> None:
    generator = tiny(size)
    w_plus = torch.randn(2, generator.n_latent, 16)
    plain = generator.synthesize(w_plus)  # a batch of small pictures is not cut
    strips = StripSynthesis(strip_bytes=strip_bytes, whole_bytes=3_000)
    for b in range(2):
        image = strips.render(generator, w_plus[b], generator.registered_noise(), torch.float32)
        assert torch.allclose(image[0], plain[b], atol=1e-5 * float(plain.abs().max()))


@pytest.mark.usefixtures("no_grad")
def test_arranged_weights_render_the_same_and_keep_their_keys() -> None:
    generator, arranged = tiny(64), tiny(64)
    arranged.arrange()
    assert arranged.convs[0].conv.weight[0].transpose(0, 1).is_contiguous(memory_format=torch.channels_last)
    w_plus = torch.randn(1, generator.n_latent, 16)
    for codes in (w_plus, w_plus.expand(2, -1, -1)):
        assert torch.allclose(generator.synthesize(codes), arranged.synthesize(codes), atol=1e-5)
    ours = arranged.state_dict()
    assert all(torch.equal(ours[key], value) for key, value in generator.state_dict().items())
    fresh = tiny(64, seed=3)
    fresh.load_state_dict(ours, strict=True)
    assert torch.allclose(fresh.synthesize(w_plus), arranged.synthesize(w_plus), atol=1e-5)


@pytest.mark.usefixtures("no_grad")
def test_strips_notice_that_weights_changed() -> None:
    generator = tiny(64)
    w_plus = torch.randn(1, generator.n_latent, 16)
    before = generator.synthesize(w_plus)
    for parameter in generator.parameters():
        parameter.mul_(1.1)
    pair = w_plus.expand(2, -1, -1)
    assert torch.allclose(generator.synthesize(w_plus)[0], generator.synthesize(pair)[0], atol=1e-4)
    assert not torch.allclose(generator.synthesize(w_plus), before, atol=1e-3)


@pytest.mark.usefixtures("no_grad")
def test_strips_take_missing_and_fresh_noise() -> None:
    generator = tiny(64)
    w_plus = torch.randn(2, generator.n_latent, 16)
    silent: list[Tensor | None] = [None] * generator.num_layers
    for maps in (silent, generator.fresh_noise(2, torch.Generator().manual_seed(3))):
        plain = generator.synthesize(w_plus, noise=maps)
        own = [n if n is None else n[1:2] for n in maps]
        assert torch.allclose(generator.synthesize(w_plus[1:], noise=own)[0], plain[1], atol=1e-4)


def test_gradients_reach_code_and_noise() -> None:
    generator = tiny(16)
    w_plus = torch.randn(1, generator.n_latent, 16, requires_grad=True)
    maps = [n.clone().requires_grad_(True) for n in generator.registered_noise() if n is not None]
    generator.synthesize(w_plus, noise=maps).square().mean().backward()
    assert w_plus.grad is not None and bool((w_plus.grad.abs().sum(dim=(0, 2)) > 0).all())
    assert all(n.grad is not None and n.grad.abs().sum() > 0 for n in maps)


@pytest.mark.usefixtures("no_grad")
def test_same_code_same_picture_and_rows_reach_their_layers() -> None:
    generator = tiny(16)
    w_plus = torch.randn(1, generator.n_latent, 16)
    image = generator.synthesize(w_plus)
    assert torch.equal(image, generator.synthesize(w_plus))
    for row in range(generator.n_latent):
        changed = w_plus.clone()
        changed[:, row] += 1
        assert not torch.allclose(generator.synthesize(changed), image, atol=1e-4), row


def test_code_of_another_model_is_refused() -> None:
    with pytest.raises(ValueError, match="expected"):
        tiny(16).synthesize(torch.zeros(1, 4, 16))


@pytest.mark.usefixtures("no_grad")
def test_mixing_truncation_and_mean() -> None:
    generator = tiny(16)
    first, second = torch.randn(1, 16), torch.randn(1, 16)
    mixed = generator.mix(first, second, crossover=2)
    assert torch.equal(mixed[0, :2], first.expand(2, -1)) and torch.equal(mixed[0, 2:], second.expand(4, -1))
    average = generator.mean_latent(64, torch.Generator().manual_seed(1))
    assert torch.equal(truncate(first, average, 0.0), average)
    assert torch.allclose(truncate(first, average, 1.0), first)


def test_style_count_follows_the_size() -> None:
    assert [style_count(s) for s in (64, 128, 256, 512, 1024)] == [10, 12, 14, 16, 18]


@pytest.mark.usefixtures("no_grad")
def test_bfloat16_stays_near_float32() -> None:
    generator = tiny(64)
    w_plus = torch.randn(1, generator.n_latent, 16)
    exact = generator.synthesize(w_plus)
    rounded = generator.synthesize(w_plus, dtype=torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert float((rounded - exact).abs().mean()) < 0.02 * float(exact.abs().max())


@pytest.mark.usefixtures("no_grad")
def test_rgb_layer_adds_the_upsampled_picture_before() -> None:
    layer = ToRGB(4, 16)
    x, w, before = torch.randn(1, 4, 8, 8), torch.randn(1, 16), torch.randn(1, 3, 4, 4)
    added = layer(x, w, before) - layer(x, w)
    assert torch.allclose(added, upsample_2x(before, blur_kernel(4.0)), atol=1e-5)
