"""What a contrastive training is made of: a similarity, a dissimilarity, an encoder, a head, a loss."""

from __future__ import annotations

import json
import types
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

from desktop_app.core.errors import UserInputError

_Config = TypeVar("_Config")


class Dissimilarity(StrEnum):
    """Where the negatives come from."""

    BATCH = "batch"
    """The other pictures of the batch (SimCLR)."""
    QUEUE = "queue"
    """Earlier keys of a slowly moving copy of the encoder (MoCo)."""


@dataclass(frozen=True, slots=True)
class ViewConfig:
    """How two views of one picture are drawn; all changes are drawn anew for each view.

    Attributes:
        min_area: Smallest part of the picture that a view shows, (0, 1].
        max_stretch: Largest change of the side ratio, at least 1.
        brightness: Largest relative change of brightness.
        contrast: Largest relative change of contrast.
        saturation: Largest relative change of saturation.
        grey: Share of the views without colour.
        mirror: Share of the views that are mirrored.
    """

    min_area: float = 0.2
    max_stretch: float = 1.25
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.2
    grey: float = 0.0
    mirror: float = 0.5


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """The network and the embedding made of it.

    Attributes:
        view_px: Side of a training view.
        input_px: Side of a picture in use. A view shows a part of a picture and so shows things larger
            than they are in whole pictures; a larger input makes up for that (Touvron et al., 2019).
        widths: Channels of each stage.
        blocks: Residual blocks of each stage.
        pool_power: Exponent of the pooling in the embedding; training pools by the mean.
        embedding_size: Length of the stored embedding.
        whiten_power: How far the axes of the embedding are evened out, 0 to 0.5.
    """

    view_px: int = 64
    input_px: int = 96
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: tuple[int, ...] = (1, 1, 2)
    pool_power: float = 3.0
    embedding_size: int = 256
    whiten_power: float = 0.25


@dataclass(frozen=True, slots=True)
class ContrastiveConfig:
    """One training without labels; written beside its checkpoint.

    Attributes:
        images: Pictures seen in all, each in two views.
        batch: Pictures of one step.
        seed: Of weights, order and views.
        rate: Highest learning rate (AdamW), reached after the warm-up, then falling as a cosine.
        weight_decay: Of AdamW.
        warmup_images: Pictures until the highest rate.
        temperature: Of the softmax over similarities.
        dissimilarity: Where negatives come from.
        queue: Stored keys, for `queue`.
        momentum: How slowly the key encoder follows, for `queue`.
        head_hidden: Layer between features and projection.
        head_out: Length of a projection.
        precision: `bfloat16`, `float32`, or `auto`: bfloat16 where the machine computes it natively.
        views: How views are drawn.
        encoder: The network.
    """

    images: int = 300_000
    batch: int = 192
    seed: int = 0
    rate: float = 2e-3
    weight_decay: float = 0.02
    warmup_images: int = 12_000
    temperature: float = 0.1
    dissimilarity: Dissimilarity = Dissimilarity.BATCH
    queue: int = 4096
    momentum: float = 0.99
    head_hidden: int = 512
    head_out: int = 128
    precision: str = "auto"
    views: ViewConfig = field(default_factory=ViewConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)


# A named method is one row of choices.
METHODS: types.MappingProxyType[str, dict[str, Any]] = types.MappingProxyType(
    {
        "simclr": {"dissimilarity": Dissimilarity.BATCH, "temperature": 0.1},
        "moco": {"dissimilarity": Dissimilarity.QUEUE, "temperature": 0.1},
    }
)


def config_to_dict(config: ContrastiveConfig) -> dict[str, Any]:
    """The configuration as the plain values that a JSON file or a checkpoint can hold."""
    plain: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    return plain


def config_from_dict(raw: dict[str, Any]) -> ContrastiveConfig:
    """The configuration back from `config_to_dict`.

    Raises:
        UserInputError: A name is unknown or a value is of the wrong kind.
    """
    return _build(ContrastiveConfig, raw)


def _build(kind: type[_Config], raw: dict[str, Any]) -> _Config:
    hints = get_type_hints(kind)
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(raw) - known)
    if unknown:
        raise UserInputError(f"The training configuration has unknown names: {', '.join(unknown)}.")
    values: dict[str, Any] = {}
    for name, value in raw.items():
        wanted = hints[name]
        try:
            if is_dataclass(wanted) and isinstance(wanted, type):
                values[name] = _build(wanted, dict(value))
            elif isinstance(value, (list, tuple)):
                values[name] = tuple(int(v) for v in value)
            else:
                values[name] = wanted(value)
        except (TypeError, ValueError) as error:
            raise UserInputError(
                f"The training configuration has a wrong value for {name}: {value!r}."
            ) from error
    return kind(**values)
