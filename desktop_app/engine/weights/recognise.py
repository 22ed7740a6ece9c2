"""What a weights file is, told from its contents alone; its name is never looked at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from desktop_app.engine.weights.import_container import Content
from desktop_app.engine.weights.import_names import NAMESPACE, PERSISTENT, TF_NETWORK, as_tensor
from desktop_app.engine.weights.import_values import ImportRefused, Record, TensorRef

# What to do with encoders that are used by the names that timm and open_clip give them.
BY_NAME = (
    "Put the file into the model folder under the model's name, for example resnet18.pth, and type "
    "timm:resnet18 as the encoder in the settings; open_clip:ViT-B-32 for one of open_clip."
)
MAX_PREFIX_DEPTH = 6
SHOWN_KEYS = 6


class FileKind(StrEnum):
    """Kinds of files that can be imported."""

    INVERSION = "inversion"
    GENERATOR = "generator"
    NVIDIA = "nvidia"
    NVIDIA_TF = "nvidia_tf"
    DIRECTIONS = "directions"
    COMPONENTS = "components"
    RESNET50 = "resnet50"
    RECOGNITION = "recognition"
    PERCEPTUAL = "perceptual"


@dataclass(frozen=True, eq=False, slots=True)
class Recognised:
    """A file whose kind is known.

    Attributes:
        kind: What it is.
        tensors: Its tensors, without the prefix under which they stood.
        opts: Training options, or empty.
        extra: Tensors beside the state dict (`latent_avg`).
        network: Root of an NVIDIA network.
        method: How an image encoder was trained, as far as its layout tells: `moco`, `dino` ...; of
            perceptual networks, which of them it is.
    """

    kind: FileKind
    tensors: Mapping[str, TensorRef]
    opts: Mapping[str, object] | None = None
    extra: Mapping[str, TensorRef] | None = None
    network: Record | None = None
    method: str = ""


def recognise(content: Content) -> Recognised:
    """Tell what a file is.

    Raises:
        ImportRefused: Nothing that can be imported.
    """
    root = content.root
    _refuse_other_encoders(root)
    if content.container in ("npy", "npz"):
        found = _directions(root)
    elif isinstance(root, dict):
        found = _inversion(root) or _generator(root) or _nvidia(root) or _directions(root)
        found = found or _recognition(root) or _perceptual(root) or _resnet(root)
    else:
        found = _nvidia(root) or _directions(root)
    if found is None:
        raise ImportRefused(
            f"holds no model of a kind that is known here{_keys_shown(root)}",
            "Known are ReStyle, pSp and e4e, StyleGAN2 generators, edit directions, ResNet-50 encoders, the "
            "face recognition networks ArcFace and CurricularFace, and LPIPS, AlexNet and VGG16.",
        )
    return found


def _refuse_other_encoders(root: object) -> None:
    """Tell what timm and open_clip encoders are used by: their names, not an import."""
    holders = (root, root.get("state_dict"), root.get("model")) if isinstance(root, dict) else ()
    for tensors in map(tensors_of, holders):
        is_clip = "logit_scale" in tensors and any(key.startswith("visual.") for key in tensors)
        if is_clip or "patch_embed.proj.weight" in tensors:
            whose = "open_clip" if is_clip else "timm"
            raise ImportRefused(f"holds an encoder of {whose}, which needs no import", BY_NAME)


def tensors_of(value: object) -> dict[str, TensorRef]:
    """The tensors of a state dict, other entries left out."""
    if not isinstance(value, dict):
        return {}
    pairs = ((key, as_tensor(item)) for key, item in value.items())
    return {key: tensor for key, tensor in pairs if isinstance(key, str) and tensor is not None}


def without_prefix(tensors: Mapping[str, TensorRef], prefix: str) -> dict[str, TensorRef]:
    """The tensors whose names begin with a prefix, named by the rest."""
    return {key[len(prefix) :]: tensor for key, tensor in tensors.items() if key.startswith(prefix)}


def _keys_shown(root: object) -> str:
    keys: Iterable[object] = root if isinstance(root, dict) else ()
    names = [re.sub(r"[^\w.\- ]", "?", str(key))[:30] for key in keys]
    if not names:
        return ""
    more = ", ..." if len(names) > SHOWN_KEYS else ""
    return f" (it holds {', '.join(names[:SHOWN_KEYS])}{more})"


def _options(value: object) -> dict[str, object]:
    """Training options: a dictionary, or the fields of a namespace."""
    if isinstance(value, Record) and value.kind == NAMESPACE:
        value = value.fields
    if not isinstance(value, dict):
        return {}
    return {
        key: item
        for key, item in value.items()
        if isinstance(key, str) and isinstance(item, (str, int, float, bool, type(None)))
    }


def _inversion(root: dict[object, object]) -> Recognised | None:
    tensors = tensors_of(root.get("state_dict"))
    tensors = without_prefix(tensors, "module.") if any(k.startswith("module.") for k in tensors) else tensors
    if not any(key.startswith("decoder.") for key in tensors):
        return None
    average = as_tensor(root.get("latent_avg"))
    extra = {"latent_avg": average} if average is not None else {}
    if not any(key.startswith("encoder.") for key in tensors):
        return Recognised(FileKind.GENERATOR, without_prefix(tensors, "decoder."), extra=extra)
    return Recognised(FileKind.INVERSION, tensors, opts=_options(root.get("opts")), extra=extra)


def _generator(root: dict[object, object]) -> Recognised | None:
    average = as_tensor(root.get("latent_avg"))
    extra = {"latent_avg": average} if average is not None else {}
    for candidate in (root.get("g_ema"), root):
        tensors = tensors_of(candidate)
        if "module.input.input" in tensors:
            tensors = without_prefix(tensors, "module.")
        if "input.input" in tensors and "conv1.conv.weight" in tensors:
            tensors.pop("latent_avg", None)
            return Recognised(FileKind.GENERATOR, tensors, extra=extra)
    return None


def _nvidia(root: object) -> Recognised | None:
    candidates: list[object] = [root]
    if isinstance(root, dict):
        candidates = [root.get("G_ema"), root.get("G")]
    elif isinstance(root, (tuple, list)):
        candidates = list(root)[::-1]  # generator, discriminator, averaged generator
    for candidate in candidates:
        if not isinstance(candidate, Record):
            continue
        if candidate.kind == TF_NETWORK:
            return Recognised(FileKind.NVIDIA_TF, {}, network=candidate)
        if candidate.kind.startswith(PERSISTENT):
            return Recognised(FileKind.NVIDIA, {}, network=candidate)
    return None


def _directions(root: object) -> Recognised | None:
    single = as_tensor(root)
    if single is not None:
        return Recognised(FileKind.DIRECTIONS, {"": single}) if _is_direction(single) else None
    tensors = tensors_of(root)
    for comp, mean, std in (
        ("comp", "mean", "std"),
        ("lat_comp", "lat_mean", "lat_stdev"),
        ("act_comp", "act_mean", "act_stdev"),
    ):
        if comp in tensors and mean in tensors and std in tensors:
            found = {"comp": tensors[comp], "mean": tensors[mean], "std": tensors[std]}
            return Recognised(FileKind.COMPONENTS, found)
    is_all = isinstance(root, dict) and len(tensors) == len(root) > 0
    if is_all and all(_is_direction(tensor) for tensor in tensors.values()):
        return Recognised(FileKind.DIRECTIONS, tensors)
    return None


def _is_direction(tensor: TensorRef) -> bool:
    """One row, or one row a style: [D], [1, D], [L, D], [1, L, D] with D a usual size of a code."""
    shape = tensor.shape
    if not 1 <= len(shape) <= 3 or tensor.dtype not in ("float16", "float32", "float64"):
        return False
    if len(shape) == 3 and shape[0] != 1:
        return False
    rows = shape[-2] if len(shape) > 1 else 1
    return 1 <= rows <= 18 and shape[-1] in (32, 64, 128, 256, 512)


def _recognition(root: dict[object, object]) -> Recognised | None:
    for candidate in (root, root.get("state_dict")):
        tensors = tensors_of(candidate)
        if "module.input_layer.0.weight" in tensors:
            tensors = without_prefix(tensors, "module.")
        if {"input_layer.0.weight", "body.0.res_layer.1.weight", "output_layer.3.weight"} <= set(tensors):
            return Recognised(FileKind.RECOGNITION, tensors)
    return None


# A key that tells a perceptual network, first the more complete ones, and the architecture of its card.
_PERCEPTUAL_KEYS = (
    ({"net.slice1.0.weight", "lin0.model.1.weight"}, "lpips_alex"),
    ({"net.layers.0.weight", "lin.0.1.weight"}, "lpips_alex"),
    ({"lin0.model.1.weight", "lin4.model.1.weight"}, "lpips_alex_heads"),
    ({"features.0.weight", "features.28.weight"}, "vgg16_features"),
    ({"layer0.weight", "layer2.weight", "layer5.weight", "layer21.weight"}, "vgg16_features"),
    ({"features.0.weight", "features.10.weight"}, "alexnet_features"),
)


def _perceptual(root: dict[object, object]) -> Recognised | None:
    for candidate in (root, root.get("state_dict")):
        tensors = tensors_of(candidate)
        for keys, architecture in _PERCEPTUAL_KEYS:
            if keys <= set(tensors):
                return Recognised(FileKind.PERCEPTUAL, tensors, method=architecture)
    return None


# Where published encoders keep the network that matters, best first; "" is a plain state dict.
_PREFIXES = {
    "module.encoder_q.": "moco",
    "encoder_q.": "moco",
    "module.base_encoder.": "moco",
    "base_encoder.": "moco",
    "module.encoder.": "",
    "encoder.": "",
    "module.backbone.": "",
    "backbone.": "",
    "module.": "",
    "": "",
}
_HOLDERS = ("teacher", "state_dict", "model", "model_state_dict", "student", "net", "backbone")


def _resnet(root: dict[object, object]) -> Recognised | None:
    for holder in (*_HOLDERS, None):
        tensors = tensors_of(root if holder is None else root.get(holder))
        for prefix, method in _prefixes(tensors):
            below = without_prefix(tensors, prefix)
            if "conv1.weight" in below and "layer1.0.conv1.weight" in below:
                method = "dino" if holder in ("teacher", "student") else method
                return Recognised(FileKind.RESNET50, below, method=method)
    return None


def _prefixes(tensors: Mapping[str, TensorRef]) -> list[tuple[str, str]]:
    """Known prefixes first, then the shortest one before a `layer1.0.conv1.weight`."""
    ends = "layer1.0.conv1.weight"
    own = sorted((key.removesuffix(ends) for key in tensors if key.endswith(ends)), key=len)
    others = [(prefix, "") for prefix in own if prefix.count(".") <= MAX_PREFIX_DEPTH]
    return [*_PREFIXES.items(), *others]
