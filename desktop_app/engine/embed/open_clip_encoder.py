"""Image towers of open_clip from local weight files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIPVisionCfg, _build_vision_tower
from PIL import Image as PillowImage
from torch import nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts, frozen
from desktop_app.engine.embed.preprocessing import Fit, Preprocessing
from desktop_app.engine.embed.timm_encoder import RESAMPLING
from desktop_app.engine.embed.weight_files import find_weights, read_weights
from desktop_app.engine.weights.store import file_digest, load_strict

_TOWER = "visual."


def load_open_clip(folder: Path, model: str, *, device: torch.device) -> Embedder:
    """Load the image tower of `<folder>/<model>.safetensors` (or .pth, .pt, .bin).

    Args:
        folder: The user's model folder.
        model: open_clip's name, for example `ViT-B-32`; `ViT-B-32/openai` also names the weights, whose
            preprocessing and activation are then used; the file is `ViT-B-32.openai.safetensors`.
        device: Where to compute.

    Raises:
        WeightsError: open_clip knows no such model, or its weights are missing or do not fit.
    """
    architecture, _, tag = model.partition("/")
    if architecture not in open_clip.list_models():
        raise WeightsError(
            f"open_clip has no model named '{architecture}'.", "Check the name in the settings."
        )
    stated: dict[str, Any] = open_clip.get_pretrained_cfg(architecture, tag) if tag else {}
    if tag and not stated:
        raise WeightsError(
            f"open_clip names no weights '{tag}' for {architecture}.", "Check the name in the settings."
        )
    file = find_weights(folder, f"{architecture}.{tag}" if tag else architecture)
    config = open_clip.get_model_config(architecture)
    tower = build_tower(config, uses_quick_gelu=bool(stated.get("quick_gelu")))
    tensors = {
        key.removeprefix(_TOWER): value for key, value in read_weights(file).items() if key.startswith(_TOWER)
    }
    load_strict(tower, tensors, what=f"open_clip:{model}")
    side = tower_side(tower, config)
    facts = EmbedderFacts(f"open_clip:{model}", file_digest(file)[:16], int(config["embed_dim"]))
    return Embedder(frozen(tower, device), _preprocessing(side, stated), facts=facts, device=device)


def build_tower(config: dict[str, Any], *, uses_quick_gelu: bool) -> nn.Module:
    """The image tower of a configuration of open_clip, with random weights."""
    vision = dict(config["vision_cfg"])
    vision["timm_model_pretrained"] = False  # open_clip would fetch these weights
    quick = uses_quick_gelu or bool(config.get("quick_gelu"))
    tower: nn.Module = _build_vision_tower(int(config["embed_dim"]), CLIPVisionCfg(**vision), quick)
    return tower


def tower_side(tower: nn.Module, config: dict[str, Any]) -> int:
    """Side of a tower's input in pixels."""
    size: Any = getattr(tower, "image_size", None) or config["vision_cfg"].get("image_size", 224)
    return int(size[0] if isinstance(size, (tuple, list)) else size)


def _preprocessing(side: int, stated: dict[str, Any]) -> Preprocessing:
    mean = stated.get("mean") or open_clip.OPENAI_DATASET_MEAN
    std = stated.get("std") or open_clip.OPENAI_DATASET_STD
    is_squeezed = stated.get("resize_mode") == "squash"
    return Preprocessing(
        input_px=side,
        fit=Fit.SQUEEZE if is_squeezed else Fit.CROP,
        resampling=RESAMPLING.get(str(stated.get("interpolation")), PillowImage.Resampling.BICUBIC),
        mean=(float(mean[0]), float(mean[1]), float(mean[2])),
        std=(float(std[0]), float(std[1]), float(std[2])),
    )
