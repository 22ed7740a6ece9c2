"""Networks of timm and image towers of open_clip, trained here: built by name, kept with a card of ours."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import open_clip
import timm
import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts, frozen
from desktop_app.engine.embed.open_clip_encoder import build_tower, tower_side
from desktop_app.engine.embed.preprocessing import Preprocessing
from desktop_app.engine.embed.timm_encoder import without_classifier
from desktop_app.engine.embed.weight_files import find_weights, read_weights
from desktop_app.engine.weights.store import ModelCard, load_strict

ARCHITECTURE = "contrastive_tower"
TIMM, OPEN_CLIP = "timm:", "open_clip:"
_TOWER = "visual."


class TowerEncoder(nn.Module):
    """A network of another library on pictures in [-1, 1].

    Args:
        name: `timm:<model>` or `open_clip:<model>`.

    Attributes:
        name: As given.
        input_px: Side of its input.
        size: Length of its features.

    Raises:
        WeightsError: The library knows no such model, or it gives no features.
    """

    gain: Tensor
    offset: Tensor

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        network, self.input_px, mean, std = _built(name)
        self.network = network
        gain = torch.tensor([0.5 / s for s in std])
        offset = torch.tensor([(0.5 - m) / s for m, s in zip(mean, std, strict=True)])
        self.register_buffer("gain", gain.view(1, 3, 1, 1), persistent=False)
        self.register_buffer("offset", offset.view(1, 3, 1, 1), persistent=False)
        was_training = network.training
        with torch.no_grad():
            out = network.eval()(torch.zeros(1, 3, self.input_px, self.input_px))
        network.train(was_training)
        if out.ndim != 2:
            raise WeightsError(f"'{name}' gives maps and no features.", "Choose another network.")
        self.size = int(out.shape[1])

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) in [-1, 1] -> features (B, size) float32."""
        features: Tensor = self.network(x * self.gain + self.offset)
        return features.float()

    def start_from(self, folder: Path) -> bool:
        """Begin with the published weights in the model folder; False when they are not there.

        Raises:
            WeightsError: They are there but do not fit.
        """
        library, _, model = self.name.partition(":")
        try:
            file = find_weights(folder, model.replace("/", "."))
        except WeightsError:
            return False
        tensors = read_weights(file)
        if library == "open_clip":
            tensors = {k.removeprefix(_TOWER): v for k, v in tensors.items() if k.startswith(_TOWER)}
        else:
            tensors = without_classifier(tensors, self.network)
        load_strict(self.network, tensors, what=self.name)
        return True


def load_tower(card: ModelCard, tensors: dict[str, Tensor], *, device: torch.device) -> Embedder:
    """The encoder of a card.

    Raises:
        WeightsError: The card or the weights do not fit.
    """
    encoder = TowerEncoder(str(card.config.get("network", "")))
    load_strict(encoder, tensors, what=card.name)
    facts = EmbedderFacts(card.name, card.sha256[:16], encoder.size)
    return Embedder(frozen(encoder, device), Preprocessing(encoder.input_px), facts=facts, device=device)


def _built(name: str) -> tuple[nn.Module, int, tuple[float, ...], tuple[float, ...]]:
    """A network with random weights, its side, mean and standard deviation."""
    if name.startswith(OPEN_CLIP):
        model = name.removeprefix(OPEN_CLIP)
        config: dict[str, Any] | None = open_clip.get_model_config(model)
        if config is None:
            raise WeightsError(f"open_clip has no model named '{model}'.", "Check the name of the network.")
        tower = build_tower(config, uses_quick_gelu=False)
        return tower, tower_side(tower, config), open_clip.OPENAI_DATASET_MEAN, open_clip.OPENAI_DATASET_STD
    model = name.removeprefix(TIMM)
    if not name.startswith(TIMM) or not timm.is_model(model.partition(".")[0]):
        raise WeightsError(
            f"There is no network '{name}'.", "Give builtin, timm:<model> or open_clip:<model>."
        )
    try:
        network: nn.Module = timm.create_model(model, pretrained=False, num_classes=0)
    except (RuntimeError, ValueError, TypeError) as error:
        raise WeightsError(f"timm cannot build '{model}': {error}.", "Check the name.") from error
    facts = resolve_model_data_config(network)
    return network, int(facts["input_size"][-1]), tuple(facts["mean"]), tuple(facts["std"])
