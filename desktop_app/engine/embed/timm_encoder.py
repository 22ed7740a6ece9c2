"""Encoders of timm from local weight files, with the preprocessing that timm names for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch
from PIL import Image as PillowImage
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts, frozen
from desktop_app.engine.embed.preprocessing import Fit, Preprocessing
from desktop_app.engine.embed.weight_files import find_weights, read_weights
from desktop_app.engine.weights.store import file_digest, load_strict

RESAMPLING = {
    "bilinear": PillowImage.Resampling.BILINEAR,
    "bicubic": PillowImage.Resampling.BICUBIC,
    "lanczos": PillowImage.Resampling.LANCZOS,
    "nearest": PillowImage.Resampling.NEAREST,
}


def load_timm(folder: Path, model: str, *, device: torch.device) -> Embedder:
    """Load `<folder>/<model>.safetensors` (or .pth, .pt, .bin).

    Args:
        folder: The user's model folder.
        model: timm's name, with or without the tag of its weights.
        device: Where to compute.

    Raises:
        WeightsError: timm knows no such model, or its weights are missing or do not fit.
    """
    architecture = model.partition(".")[0]
    if not timm.is_model(architecture):
        raise WeightsError(f"timm has no model named '{model}'.", "Check the name in the settings.")
    file = find_weights(folder, model)
    try:
        network: nn.Module = timm.create_model(model, pretrained=False, num_classes=0)
    except (RuntimeError, ValueError, TypeError) as error:
        raise WeightsError(
            f"timm cannot build '{model}': {error}.", "Check the name in the settings."
        ) from error
    load_strict(network, without_classifier(read_weights(file), network), what=f"timm:{model}")
    preprocessing = _preprocessing(resolve_model_data_config(network))
    network = frozen(network, device)
    size = _checked_size(network, preprocessing.input_px, device=device)
    facts = EmbedderFacts(f"timm:{model}", file_digest(file)[:16], size)
    return Embedder(network, preprocessing, facts=facts, device=device)


def without_classifier(tensors: dict[str, Tensor], network: nn.Module) -> dict[str, Tensor]:
    """Leave out the layer that names classes, under the names that timm states for the model."""
    stated: Any = getattr(network, "pretrained_cfg", {}).get("classifier") or ()
    names = (stated,) if isinstance(stated, str) else tuple(stated)
    own = set(network.state_dict())
    return {
        key: value
        for key, value in tensors.items()
        if key in own or not any(key.startswith(name + ".") for name in names)
    }


def _preprocessing(config: dict[str, Any]) -> Preprocessing:
    sides = config["input_size"]
    mode = config.get("crop_mode", "center")
    return Preprocessing(
        input_px=int(sides[-1]),
        fit=Fit.SQUEEZE if mode == "squash" else Fit.CROP,
        crop_share=float(config.get("crop_pct") or 1.0),
        resampling=RESAMPLING.get(str(config.get("interpolation")), PillowImage.Resampling.BICUBIC),
        mean=_triple(config["mean"]),
        std=_triple(config["std"]),
    )


def _triple(values: Any) -> tuple[float, float, float]:  # Any: a value of timm's configuration
    red, green, blue = (float(v) for v in values)
    return red, green, blue


def _checked_size(network: nn.Module, side: int, *, device: torch.device) -> int:
    """Length of the output, from one trial."""
    with torch.inference_mode():
        out = network(torch.zeros(1, 3, side, side, device=device))
    if out.ndim != 2:
        raise WeightsError("The network gives maps and no embedding.", "Choose another encoder.")
    return int(out.shape[1])
