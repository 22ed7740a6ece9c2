"""Perceptual features: LPIPS on AlexNet, whole or in its two published parts, and VGG16.

LPIPS is published as heads (`alex.pth`, `lin{0..4}.model.1.weight`) that need torchvision's AlexNet; its
package saves both together (reference, section 6). VGG16 is torchvision's, or the file of IDInvert whose
layers are named `layer0...` (section 7).
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from desktop_app.engine.metrics.lpips import ALEXNET, ARCHITECTURE, HEADS, VGG16
from desktop_app.engine.networks.lpips_net import CHANNEL_MEAN, CHANNEL_STD, WIDTHS, Lpips
from desktop_app.engine.networks.vgg16 import BGR_MEAN, Vgg16Features
from desktop_app.engine.weights.converted import Converted, check_fit, shapes_of
from desktop_app.engine.weights.import_values import Derived, ImportRefused, LazyTensor, Made
from desktop_app.engine.weights.recognise import Recognised

VGG_HEAD_WIDTHS = (64, 128, 256, 512, 512)
# What torchvision's networks expect: RGB in 0..1, less the mean, by the deviation.
RGB_MEAN, RGB_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
OTHER_SCALE_NOTE = (
    "These are torchvision's features; those of IDInvert's own vgg16.pth are larger, so the perceptual term "
    "of the in-domain method weighs less with this file."
)


def convert_perceptual(found: Recognised) -> Converted:
    """A perceptual network or a part of one.

    Raises:
        ImportRefused: The tensors do not fit.
    """
    makers = {ARCHITECTURE: _whole, HEADS: _heads, ALEXNET: _alexnet, VGG16: _vgg16}
    return makers[found.method](found.tensors)


def _described(
    architecture: str, tensors: Mapping[str, LazyTensor], *, tag: str, title: str, notes: tuple[str, ...] = ()
) -> Converted:
    return Converted(
        role="metric",
        architecture=architecture,
        stem="perceptual",
        tag=tag,
        title=title,
        config={},
        tensors=tensors,
        facts={"method": "VGG16" if architecture == VGG16 else "LPIPS"},
        notes=notes,
    )


def _whole(given: Mapping[str, LazyTensor]) -> Converted:
    """`net.slice1.0.weight` or `net.layers.0.weight`; `lin0.model.1.weight` or `lin.0.1.weight`."""
    tensors: dict[str, LazyTensor] = {
        "net.mean": Made((1, 3, 1, 1), lambda: torch.tensor(CHANNEL_MEAN)[None, :, None, None]),
        "net.std": Made((1, 3, 1, 1), lambda: torch.tensor(CHANNEL_STD)[None, :, None, None]),
    }
    for key, tensor in given.items():
        parts = key.split(".")
        if parts[0] == "net" and len(parts) == 4:
            tensors[f"net.layers.{parts[2]}.{parts[3]}"] = tensor
        elif parts[0].startswith("lin") and parts[0] != "lins" and parts[-1] == "weight":
            number = parts[1] if parts[0] == "lin" else parts[0].removeprefix("lin")
            tensors[f"lin.{number}.1.weight"] = tensor
    check_fit(shapes_of(Lpips), tensors, what="LPIPS on AlexNet")
    return _described(ARCHITECTURE, tensors, tag="lpips_alex", title="LPIPS: learned perceptual distance")


def _heads(given: Mapping[str, LazyTensor]) -> Converted:
    widths = tuple(given[key].shape[1] for key in sorted(given) if len(given[key].shape) == 4)
    if widths == VGG_HEAD_WIDTHS:
        raise ImportRefused(
            "holds the heads of LPIPS for VGG16, and LPIPS is measured on AlexNet here",
            "Import alex.pth instead.",
        )
    shapes = {f"lin{k}.model.1.weight": (1, width, 1, 1) for k, width in enumerate(WIDTHS)}
    check_fit(shapes, given, what="the heads of LPIPS")
    return _described(HEADS, given, tag="lpips_heads", title="LPIPS, first part: heads for AlexNet")


def _alexnet(given: Mapping[str, LazyTensor]) -> Converted:
    """Convolutions alone; the classifier is left out."""
    tensors = {key: tensor for key, tensor in given.items() if key.startswith("features.")}
    own = shapes_of(Lpips)
    shapes = {f"features.{k[len('net.layers.') :]}": v for k, v in own.items() if k.startswith("net.layers.")}
    check_fit(shapes, tensors, what="AlexNet")
    return _described(ALEXNET, tensors, tag="alexnet", title="LPIPS, second part: AlexNet")


def _vgg16(given: Mapping[str, LazyTensor]) -> Converted:
    """Convolutions up to conv4_3; torchvision's first layer is rewritten for BGR in 0..255."""
    is_torchvision = "features.0.weight" in given
    prefix = "features." if is_torchvision else "layer"
    named = {f"features.{k[len(prefix) :]}": tensor for k, tensor in given.items() if k.startswith(prefix)}
    shapes = shapes_of(Vgg16Features)
    tensors: dict[str, LazyTensor] = {key: tensor for key, tensor in named.items() if key in shapes}
    check_fit(shapes, tensors, what="VGG16")
    if is_torchvision:
        weight, bias = tensors["features.0.weight"], tensors["features.0.bias"]
        tensors["features.0.weight"] = Derived(weight, weight.shape, _weight_for_bgr)
        tensors["features.0.bias"] = Derived(bias, bias.shape, lambda values: _bias_for_bgr(values, weight))
    notes = (OTHER_SCALE_NOTE,) if is_torchvision else ()
    title = "VGG16: perceptual term of the in-domain method"
    return _described(VGG16, tensors, tag="vgg16", title=title, notes=notes)


def _weight_for_bgr(weight: Tensor) -> Tensor:
    scale = 255.0 * torch.tensor(RGB_STD)[None, :, None, None]
    return (weight.float() / scale).flip(1)


def _bias_for_bgr(bias: Tensor, weight: LazyTensor) -> Tensor:
    """What remains of the two means, which differ by less than half a grey level."""
    rest = torch.tensor(BGR_MEAN).flip(0) / 255.0 - torch.tensor(RGB_MEAN)
    per_channel = weight.load().float().sum(dim=(2, 3)) / torch.tensor(RGB_STD)
    return bias.float() + per_channel @ rest
