"""Edit directions that the user imported, as sliders of every model whose codes have their size.

A direction file does not say for which generator it was made: an imported direction is offered wherever
it fits, under the name of its file.
"""

from __future__ import annotations

import logging

import numpy as np
import torch

from desktop_app.core.errors import WeightsError
from desktop_app.engine.edit.directions import Direction, make_direction
from desktop_app.engine.weights.store import ModelCard, ModelStore

ARCHITECTURE = "directions"
# Range of the official script, for normals of unit length (reference, section 10).
NORMAL_REACH = 5.0
# Standard deviations of a principal component, and how many of them get a slider.
COMPONENT_REACH = 3.0
COMPONENTS_SHOWN = 10

_log = logging.getLogger(__name__)


def imported_directions(store: ModelStore, *, shape: tuple[int, int]) -> tuple[Direction, ...]:
    """All imported directions that fit; a damaged file is logged and left out.

    Args:
        store: Models on disk.
        shape: (L, D) of the model's codes.
    """
    found: list[Direction] = []
    for card in store.cards():
        if card.architecture == ARCHITECTURE and card.config.get("style_dim") == shape[1]:
            try:
                found += _directions(card, store.tensors(card), shape=shape)
            except WeightsError as error:
                _log.warning("imported directions are left out: %s", error)
    return tuple(found)


def _directions(
    card: ModelCard, tensors: dict[str, torch.Tensor], *, shape: tuple[int, int]
) -> list[Direction]:
    rows, style_dim = shape
    try:
        if card.config.get("kind") == "ganspace":
            vectors = tensors["comp"] * tensors["std"][:, None]
            parts = [
                (f"{number + 1}", f"Component {number + 1}", vector.expand(rows, -1))
                for number, vector in enumerate(vectors[:COMPONENTS_SHOWN])
            ]
            kind, reach = "pca", COMPONENT_REACH
        else:
            labels = [str(label) for label in card.config["labels"]]
            vectors = tensors["directions"]
            if vectors.shape[1] not in (1, rows):
                return []
            parts = [
                (label, label.replace("_", " ").capitalize(), vector.expand(rows, -1))
                for label, vector in zip(labels, vectors, strict=True)
            ]
            kind, reach = "attribute", NORMAL_REACH
    except (KeyError, TypeError, ValueError, RuntimeError, IndexError) as error:
        raise WeightsError(f"The directions '{card.name}' are not usable: {error!r}.") from error
    return [
        make_direction(
            f"{card.name}.{key}", f"{label} (imported)", kind,
            vector=np.array(vector.float().numpy()), reach=(-reach, reach),
        )
        for key, label, vector in parts
        if vector.shape == (rows, style_dim)
    ]  # fmt: skip
