"""ResNet-50 image encoders of SimCLR, MoCo, SupCon, DINO and their like, as search encoders.

The layout is torchvision's without the classifier. SupCon's own variant for small pictures has a 3x3
first layer, no max-pool, and calls its projections `shortcut`.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from desktop_app.engine.weights.converted import Converted, check_fit
from desktop_app.engine.weights.import_values import ImportRefused, LazyTensor, Made
from desktop_app.engine.weights.recognise import BY_NAME, Recognised

ARCHITECTURE = "resnet50"
UNITS = (3, 4, 6, 3)
EXPANSION = 4
LAYERS = ("conv1.", "bn1.", "layer1.", "layer2.", "layer3.", "layer4.")
# ImageNet statistics, which all of these methods but the first SimCLR use.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
LARGE_INPUT_PX, LARGE_RESIZE_PX, SMALL_INPUT_PX = 224, 256, 32
_TITLES = {"moco": "MoCo", "dino": "DINO"}


def resnet50_shapes(width: int, *, first_kernel: int) -> dict[str, tuple[int, ...]]:
    """Names and sizes of a ResNet-50 without its classifier.

    Args:
        width: Feature maps of the first layer; 64 but for wide variants.
        first_kernel: 7, or 3 for small pictures.
    """
    shapes: dict[str, tuple[int, ...]] = {"conv1.weight": (width, 3, first_kernel, first_kernel)}
    shapes.update(_norm("bn1", width))
    before = width
    for group, count in enumerate(UNITS):
        inner = width * 2**group
        for unit in range(count):
            name = f"layer{group + 1}.{unit}"
            shapes[f"{name}.conv1.weight"] = (inner, before, 1, 1)
            shapes[f"{name}.conv2.weight"] = (inner, inner, 3, 3)
            shapes[f"{name}.conv3.weight"] = (inner * EXPANSION, inner, 1, 1)
            for k, channels in ((1, inner), (2, inner), (3, inner * EXPANSION)):
                shapes.update(_norm(f"{name}.bn{k}", channels))
            if unit == 0:
                shapes[f"{name}.downsample.0.weight"] = (inner * EXPANSION, before, 1, 1)
                shapes.update(_norm(f"{name}.downsample.1", inner * EXPANSION))
            before = inner * EXPANSION
    return shapes


def convert_encoder(found: Recognised) -> Converted:
    """A ResNet-50 encoder; heads and classifiers are left out.

    Raises:
        ImportRefused: It is another network.
    """
    tensors: dict[str, LazyTensor] = {
        key.replace(".shortcut.", ".downsample."): tensor
        for key, tensor in found.tensors.items()
        if key.startswith(LAYERS)
    }
    if "layer1.0.conv3.weight" not in tensors:
        raise ImportRefused(
            "holds a smaller ResNet (18 or 34); only ResNet-50 encoders are imported", BY_NAME
        )
    first = tensors["conv1.weight"].shape
    if len(first) != 4 or first[1] != 3 or first[2] not in (3, 7):
        raise ImportRefused(f"holds a ResNet whose first layer {first} reads no photos")
    shapes = resnet50_shapes(first[0], first_kernel=first[2])
    for key in shapes:
        if key.endswith(".num_batches_tracked") and key not in tensors:
            tensors[key] = Made((), lambda: torch.zeros((), dtype=torch.int64))
    check_fit(shapes, tensors, what="a ResNet-50")
    return _described(found, tensors, is_small=first[2] == 3)


def _described(found: Recognised, tensors: Mapping[str, LazyTensor], *, is_small: bool) -> Converted:
    width = tensors["conv1.weight"].shape[0]
    input_px = SMALL_INPUT_PX if is_small else LARGE_INPUT_PX
    left_out = sum(1 for key in found.tensors if not key.startswith(LAYERS))
    method = _TITLES.get(found.method, "")
    notes = [f"Pictures are normalised as for ImageNet; {input_px} px input."]
    if left_out:
        notes.append(f"{left_out} tensors of projection heads or classifiers were left out.")
    return Converted(
        role="encoder",
        architecture=ARCHITECTURE,
        stem="resnet50",
        tag=found.method,
        title=f"ResNet-50 encoder{f' ({method})' if method else ''}",
        config={
            "units": list(UNITS),
            "width": width,
            "stem": "small" if is_small else "large",
            "input_px": input_px,
            "resize_px": SMALL_INPUT_PX if is_small else LARGE_RESIZE_PX,
            "mean": list(MEAN),
            "std": list(STD),
            "embedding_size": width * 8 * EXPANSION,
        },
        tensors=tensors,
        facts={"method": method or "not told by the file", "embedding": str(width * 8 * EXPANSION)},
        notes=tuple(notes),
    )


def _norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {
        f"{name}.weight": (channels,),
        f"{name}.bias": (channels,),
        f"{name}.running_mean": (channels,),
        f"{name}.running_var": (channels,),
        f"{name}.num_batches_tracked": (),
    }
