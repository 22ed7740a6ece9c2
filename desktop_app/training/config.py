"""What a contrastive training is made of: a similarity, a dissimilarity, an encoder, a head, a loss."""

from __future__ import annotations

import json
import types
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from enum import StrEnum
from typing import Any, TypeVar, get_type_hints

from desktop_app.core.errors import UserInputError
from desktop_app.engine.embed.face_encoder import FaceShape
from desktop_app.engine.embed.photo_encoder import (
    STANDARD_EMBEDDING,
    STANDARD_PX,
    STANDARD_WHITEN_POWER,
    EmbeddingShape,
)

_Config = TypeVar("_Config")


class Similarity(StrEnum):
    """What counts as alike: the distribution that positive pairs are drawn from."""

    VIEWS = "views"
    """Two changed views of one picture: crop, stretch, mirror image, colours (SimCLR)."""
    CROPS = "crops"
    """Two parts of one picture, their colours as they are."""
    BURSTS = "bursts"
    """Pictures taken within seconds of each other, by the capture time in the file."""
    FOLDERS = "folders"
    """Pictures of one folder, such as an album or a class."""
    PEOPLE = "people"
    """Pictures of one person: a folder for each person, or the labels of a list."""
    GROUPS = "groups"
    """Pictures that the user marked as belonging together, given as a list."""
    LABELS = "labels"
    """Pictures with one label of a list."""


class Dissimilarity(StrEnum):
    """Where the negatives come from."""

    BATCH = "batch"
    """The other pictures of the batch (SimCLR)."""
    QUEUE = "queue"
    """Earlier keys of a slowly moving copy of the encoder (MoCo)."""
    HARD = "hard"
    """Of the batch, those that are taken for alike most easily."""
    NONE = "none"
    """No negatives: a slow teacher or the spread of the batch keeps the projections apart."""


class OptimiserKind(StrEnum):
    """How weights follow their gradients."""

    ADAMW = "adamw"
    """Adam with decoupled weight decay."""
    MUON = "muon"
    """Orthogonalised momentum for kernels and matrices, AdamW for the rest."""


class HeadKind(StrEnum):
    """What stands between features and loss."""

    PROJECTION = "projection"
    """A small network to the space that is compared (SimCLR)."""
    PROTOTYPES = "prototypes"
    """A projection, then the similarity to learned prototypes (DINO)."""


class Loss(StrEnum):
    """How similarities become a number to lower; the score is the cosine of two projections."""

    SOFTMAX = "softmax"
    """The alike one among many: NT-Xent, or InfoNCE against a queue."""
    SUPCON = "supcon"
    """Softmax with all that are alike (SupCon)."""
    PAIR = "pair"
    """Pairs: pull the alike, push the unlike up to a margin."""
    TRIPLET = "triplet"
    """Alike nearer than unlike by a margin (FaceNet)."""
    N_PAIR = "n_pair"
    """One alike against one unlike of each other kind."""
    BYOL = "byol"
    """Predict what a slow teacher sees."""
    DINO = "dino"
    """Agree with a slow, centred and sharpened teacher on prototypes."""
    VICREG = "vicreg"
    """Invariance, with variance and covariance kept in shape."""


MARGIN_LOSSES = (Loss.PAIR, Loss.TRIPLET, Loss.N_PAIR)
TEACHER_LOSSES = (Loss.BYOL, Loss.DINO)
BUILTIN_NETWORK = "builtin"
FACE_NETWORK = "face"


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
        hue: Largest turn of the hue, as a share of the circle.
        recompress: Share of the views that are made of a small picture with the marks of strong JPEG.
    """

    min_area: float = 0.2
    max_stretch: float = 1.25
    brightness: float = 0.25
    contrast: float = 0.25
    saturation: float = 0.2
    grey: float = 0.0
    mirror: float = 0.5
    hue: float = 0.0
    recompress: float = 0.0


@dataclass(frozen=True, slots=True)
class FaceViewConfig:
    """How far two views of a face may differ; spreads are standard deviations.

    Attributes:
        rotation_deg: Spread of the turn.
        log_scale: Spread of the logarithm of the zoom.
        log_stretch: Spread of the logarithm of the side ratio.
        shift: Spread of the shift, as a share of the side.
        shear: Spread of the slant; stands in for a turned head.
        gain: Largest relative change of contrast, and half as much of each channel.
        light: Strength of a soft light from one side.
        grey: Share of the views without colour.
        soft: Share of the views that are blurred or of few pixels.
        least_px: Smallest side that a soft view is reduced to, of 96.
        noise: Largest spread of pixel noise.
        hidden: Share of the views in which a part of the face is covered.
        mirror: Share of the views that are mirrored.
    """

    rotation_deg: float = 4.0
    log_scale: float = 0.05
    log_stretch: float = 0.04
    shift: float = 0.02
    shear: float = 0.04
    gain: float = 0.4
    light: float = 0.5
    grey: float = 0.5
    soft: float = 0.5
    least_px: int = 30
    noise: float = 0.06
    hidden: float = 0.25
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
        whiten_power: How far the axes of the learned part are evened out, 0 to 0.5.
        colour_size: How many numbers of the embedding describe colours; 0: none.
        colour_weight: Weight of the colours against what was learned.
        class_size: How many numbers come from a head that learns what is alike, beside the head for views; 0:
            none, one head learns both.
        class_weight: Weight of these against what was learned of single pictures.
        learned_stages: How many stages describe single pictures, from the first; 0: all.
        class_head_size: Outputs of the head in training, where `class_size` directions are found afterwards
            by discriminant analysis of its hidden layer, the learned features and the colours; 0: the
            head's outputs are taken.
        network: `builtin`, `face`, `timm:<model>` or `open_clip:<model>`; the latter two bring their sizes.
        face: What an embedding of the face network is made of.
    """

    view_px: int = 64
    input_px: int = STANDARD_PX
    widths: tuple[int, ...] = (64, 128, 256)
    blocks: tuple[int, ...] = (1, 1, 2)
    pool_power: float = STANDARD_EMBEDDING.pool_power
    embedding_size: int = STANDARD_EMBEDDING.size
    whiten_power: float = STANDARD_WHITEN_POWER
    colour_size: int = STANDARD_EMBEDDING.colour_size
    colour_weight: float = STANDARD_EMBEDDING.colour_weight
    class_size: int = 0
    class_weight: float = 0.0
    learned_stages: int = 0
    class_head_size: int = 0
    network: str = BUILTIN_NETWORK
    face: FaceShape = field(default_factory=FaceShape)

    def embedding(self) -> EmbeddingShape:
        """What an embedding of the built-in network is made of."""
        return EmbeddingShape(
            size=self.embedding_size,
            pool_power=self.pool_power,
            colour_size=self.colour_size,
            colour_weight=self.colour_weight,
            class_size=self.class_size,
            class_weight=self.class_weight,
            learned_stages=self.learned_stages,
            class_head_size=self.class_head_size,
        )


@dataclass(frozen=True, slots=True)
class ContrastiveConfig:
    """One training, with labels or without; written beside its checkpoint.

    Attributes:
        images: Pictures seen in all, each in two views.
        batch: Pictures of one step.
        seed: Of weights, order and views.
        rate: Highest learning rate (AdamW), reached after the warm-up, then falling as a cosine.
        weight_decay: Of AdamW.
        warmup_images: Pictures until the highest rate.
        temperature: Of the softmax over similarities.
        dissimilarity: Where negatives come from.
        similarity: What counts as alike.
        loss: How similarities become a number.
        head: What stands between features and loss.
        queue: Stored keys, for `queue`.
        momentum: How slowly the key encoder or teacher follows, for `queue`, `byol` and `dino`.
        margin: Of the margin losses, in squared distance for triplets, in cosine for pairs.
        hardest: Share of the batch that counts as negatives, for `hard`.
        view_weight: Weight of NT-Xent over two views of one picture, beside a loss of kinds; with it every
            picture of a batch is shown in two views, and half of them beside another of their set.
        prototypes: Of the head, for `prototypes`.
        teacher_temperature: Of the teacher, for `dino`; lower is sharper.
        head_hidden: Layer between features and projection.
        head_out: Length of a projection.
        in_sets: Share of a batch whose pictures belong together with others, `set_members` of each set at
            a time, families and sets drawn by the root of their size; 0: every picture once in an epoch.
        set_members: Pictures of one set that come together in a batch, where `in_sets` is above 0.
        second_views: Share of a batch that is shown in two views where two heads learn, (0, 1]; pictures of a
            set have each other to be alike to, and seeing more of them is worth more than seeing them twice.
        frozen_stages: How many stages of the built-in network, the stem with the first, stay as they began.
        optimiser: How weights follow their gradients.
        average: How slowly the weights of the finished encoder follow those in training; 0: they are these.
        precision: `bfloat16`, `float32`, or `auto`: bfloat16 where the machine computes it natively.
        views: How views of photos are drawn.
        face_views: How views of aligned faces are drawn, for the face network.
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
    similarity: Similarity = Similarity.VIEWS
    loss: Loss = Loss.SOFTMAX
    head: HeadKind = HeadKind.PROJECTION
    queue: int = 4096
    momentum: float = 0.99
    margin: float = 0.2
    hardest: float = 0.25
    view_weight: float = 0.0
    prototypes: int = 512
    teacher_temperature: float = 0.05
    head_hidden: int = 512
    head_out: int = 128
    in_sets: float = 0.0
    set_members: int = 4
    second_views: float = 1.0
    frozen_stages: int = 0
    optimiser: OptimiserKind = OptimiserKind.ADAMW
    average: float = 0.0
    precision: str = "auto"
    views: ViewConfig = field(default_factory=ViewConfig)
    face_views: FaceViewConfig = field(default_factory=FaceViewConfig)
    encoder: EncoderConfig = field(default_factory=EncoderConfig)

    @property
    def has_teacher(self) -> bool:
        """Whether a slow copy of the network gives the keys."""
        return self.dissimilarity is Dissimilarity.QUEUE or self.loss in TEACHER_LOSSES


# A named method is one row of choices. Sources: SimCLR (Chen et al., 2020), MoCo v2 (Chen et al., 2020),
# SupCon (Khosla et al., 2020), FaceNet (Schroff et al., 2015), N-pair (Sohn, 2016), pairs (Hadsell et al.,
# 2006), BYOL (Grill et al., 2020), DINO (Caron et al., 2021; two whole-size views), VICReg (Bardes et al.,
# 2022), hard negatives (Kalantidis et al., 2020, without the mixing).
METHODS: types.MappingProxyType[str, dict[str, Any]] = types.MappingProxyType(
    {
        "simclr": {"dissimilarity": Dissimilarity.BATCH, "temperature": 0.1},
        "moco": {"dissimilarity": Dissimilarity.QUEUE, "temperature": 0.1},
        "moco_v2": {"dissimilarity": Dissimilarity.QUEUE, "temperature": 0.1},
        "hard": {"dissimilarity": Dissimilarity.HARD, "temperature": 0.1},
        "supcon": {"similarity": Similarity.FOLDERS, "loss": Loss.SUPCON, "temperature": 0.1},
        "joint": {
            "similarity": Similarity.FOLDERS,
            "loss": Loss.SUPCON,
            "view_weight": 0.5,
            "temperature": 0.1,
        },
        "joint_sets": {
            "similarity": Similarity.LABELS,
            "loss": Loss.SUPCON,
            "view_weight": 0.5,
            "temperature": 0.1,
            "in_sets": 0.85,
            "second_views": 1 / 3,
            "optimiser": OptimiserKind.MUON,
            "average": 0.99,
            "rate": 1.5e-3,
        },
        "facenet": {
            "similarity": Similarity.PEOPLE,
            "loss": Loss.TRIPLET,
            "dissimilarity": Dissimilarity.HARD,
            "margin": 0.2,
        },
        "pair": {"similarity": Similarity.FOLDERS, "loss": Loss.PAIR, "margin": 0.4},
        "n_pair": {"similarity": Similarity.FOLDERS, "loss": Loss.N_PAIR, "temperature": 0.1},
        "byol": {"dissimilarity": Dissimilarity.NONE, "loss": Loss.BYOL, "momentum": 0.99},
        "dino": {
            "dissimilarity": Dissimilarity.NONE,
            "loss": Loss.DINO,
            "head": HeadKind.PROTOTYPES,
            "momentum": 0.99,
            "temperature": 0.1,
        },
        "vicreg": {"dissimilarity": Dissimilarity.NONE, "loss": Loss.VICREG},
    }
)


def check_choices(config: ContrastiveConfig) -> None:
    """Refuse choices that do not go together.

    Raises:
        UserInputError: They do not.
    """
    needs_prototypes = config.loss is Loss.DINO
    if needs_prototypes != (config.head is HeadKind.PROTOTYPES):
        raise UserInputError("The loss `dino` and the head `prototypes` go together only.")
    if config.dissimilarity is Dissimilarity.QUEUE and config.loss is not Loss.SOFTMAX:
        raise UserInputError(
            f"The loss `{config.loss}` has no use for a queue.", "Choose the loss `softmax`, or no queue."
        )
    if config.view_weight and config.loss is not Loss.SUPCON:
        raise UserInputError(
            f"The loss `{config.loss}` is not joined with one over two views.", "Choose the loss `supcon`."
        )
    has_both = config.view_weight > 0 and config.encoder.network == BUILTIN_NETWORK
    if config.images and config.encoder.class_size and not has_both:
        raise UserInputError(
            "A head for kinds of things goes with a loss over kinds and over views, on the built-in network.",
            "Choose the method `joint` or `joint_sets`, and the network `builtin`.",
        )
    shares = (config.in_sets, config.second_views, config.average)
    if min(shares) < 0.0 or max(shares) > 1.0 or config.set_members < 1:
        raise UserInputError("The shares of a batch and of the average lie between 0 and 1.")
    is_free = config.loss in (*TEACHER_LOSSES, Loss.VICREG)
    if is_free != (config.dissimilarity is Dissimilarity.NONE):
        raise UserInputError(
            f"The loss `{config.loss}` and the negatives `{config.dissimilarity}` do not go together.",
            "byol, dino and vicreg take `none`; every other loss needs negatives.",
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
