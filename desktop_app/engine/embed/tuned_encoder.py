"""An encoder tuned on the user's photos: a base, some of its last layers changed, and a head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.embed.embedder import Embedder, EmbedderFacts, frozen
from desktop_app.engine.embed.tuned_head import MetricHead, head_of
from desktop_app.engine.weights.store import ModelCard, ModelStore

ARCHITECTURE = "contrastive_tuned"
CHANGED = "network."


class TunedNetwork(nn.Module):
    """A base network and the head behind it.

    Args:
        base: (B, 3, S, S) -> (B, D).
        head: Changes its embeddings.
    """

    def __init__(self, base: Callable[[Tensor], Tensor], head: MetricHead) -> None:
        super().__init__()
        self.base = base
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """(B, 3, S, S) as the base expects it -> (B, D), unit length."""
        embedding: Tensor = self.head(F.normalize(self.base(x).float(), dim=1))
        return embedding


def tuned_base(card: ModelCard, store: ModelStore) -> str:
    """Name of the encoder that a tuned one stands on.

    Raises:
        WeightsError: The card names none, or another tuned one.
    """
    name = str(card.config.get("base", ""))
    if not name:
        raise WeightsError(f"The model card of {card.name} is not usable: it names no base encoder.")
    if any(other.name == name and other.architecture == ARCHITECTURE for other in store.cards()):
        raise WeightsError(
            f"The model card of {card.name} is not usable: its base is a tuned encoder itself."
        )
    return name


def load_tuned(
    card: ModelCard, tensors: dict[str, Tensor], *, base: Embedder, device: torch.device
) -> Embedder:
    """The tuned encoder of a card on its base.

    Raises:
        WeightsError: The base is another one than it was tuned on, or the weights do not fit.
    """
    _check_base(card, base)
    head = read_head(card, tensors)
    network: Any = base.network
    changed = {k.removeprefix(CHANGED): v for k, v in tensors.items() if k.startswith(CHANGED)}
    own = network.state_dict()
    wrong = sorted(k for k, v in changed.items() if k not in own or own[k].shape != v.shape)
    if wrong:
        raise WeightsError(f"The weights of {card.name} do not fit its base encoder: {', '.join(wrong[:5])}.")
    network.load_state_dict({**own, **changed})
    facts = EmbedderFacts(card.name, card.sha256[:16], head.embedding_size)
    tuned = TunedNetwork(network, head)
    return Embedder(frozen(tuned, device), base.preprocessing, facts=facts, device=device)


def read_head(card: ModelCard, tensors: dict[str, Tensor]) -> MetricHead:
    """The head of a tuned encoder.

    Raises:
        WeightsError: It is not there or holds no usable numbers.
    """
    head = head_of(tensors)
    if head is None:
        raise WeightsError(
            f"The weights of {card.name} hold no usable head: parts are missing, or are no numbers.",
            "Tune again.",
        )
    return head


def _check_base(card: ModelCard, base: Embedder) -> None:
    version, size = str(card.config.get("base_version", "")), card.config.get("embedding_size")
    if base.version != version:
        raise WeightsError(
            f"'{card.name}' was tuned on another version of '{base.name}' than the one installed now.",
            "Tune again, or go back to an untuned encoder; your photos and their old index are untouched.",
        )
    if size != base.embedding_size:
        raise WeightsError(
            f"'{card.name}' expects embeddings of {size} numbers, '{base.name}' gives {base.embedding_size}.",
            "Tune again.",
        )
