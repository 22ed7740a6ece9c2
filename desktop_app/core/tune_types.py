"""Learning from the user's library: what counts as alike, a tuning on its way, its result."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from desktop_app.core.library_types import PhotoRow


class AlikeKind(StrEnum):
    """What the user calls alike."""

    VIEWS = "views"
    """A photo and the same photo cropped, mirrored or a little brighter."""
    BURSTS = "bursts"
    """Photos taken within seconds of each other."""
    FOLDERS = "folders"
    """Photos of one folder."""
    PEOPLE = "people"
    """Photos of one person."""
    GROUPS = "groups"
    """Photos that the user marked as belonging together."""


@dataclass(frozen=True, slots=True)
class AlikeChoice:
    """One way to say what is alike.

    Attributes:
        kind: Which.
        sets: Sets that it makes of the library, or None while that is not known.
        photos: Photos in these sets, or None.
        problem: Why it cannot be chosen, for the user; else empty.
    """

    kind: AlikeKind
    sets: int | None
    photos: int | None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class MarkedGroup:
    """Photos that the user marked as belonging together."""

    group_id: int
    photos: tuple[PhotoRow, ...]


@dataclass(frozen=True, slots=True)
class GroupsRequest:
    """Ask for the marked groups. Answer: `MarkedGroups`."""


@dataclass(frozen=True, slots=True)
class MarkGroupRequest:
    """Say that photos belong together; groups that share a photo become one. Answer: `MarkedGroups`."""

    photo_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UnmarkPhotosRequest:
    """Take photos out of their groups. Answer: `MarkedGroups`."""

    photo_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class MarkedGroups:
    """All marked groups, newest first."""

    groups: tuple[MarkedGroup, ...]


@dataclass(frozen=True, slots=True)
class KnownEncoder:
    """An encoder with embeddings in the library.

    Attributes:
        name: Of the model.
        title: One line for the user.
        photos: Photos that have its embedding.
        base: For a tuned encoder the name of the one it stands on; else empty.
    """

    name: str
    title: str
    photos: int
    base: str = ""


@dataclass(frozen=True, slots=True)
class TuneOptionsRequest:
    """Ask what tuning can learn from. Answer: `TuneOptions`."""


@dataclass(frozen=True, slots=True)
class TuneOptions:
    """What tuning can learn from, and where it stands.

    Attributes:
        photos: Indexed photos.
        encoders: Encoders with embeddings in the library.
        used: The encoder that is searched with.
        choices: Ways to say what is alike.
        groups: Marked groups, newest first.
        stopped_at: Steps that a stopped tuning made; 0: it was stopped while photos were looked at.
        stopped_of: Its steps in all; 0: no tuning waits to go on.
        result: A finished tuning that waits to be kept or discarded, or None.
    """

    photos: int
    encoders: tuple[KnownEncoder, ...]
    used: str
    choices: tuple[AlikeChoice, ...]
    groups: tuple[MarkedGroup, ...]
    stopped_at: int = 0
    stopped_of: int = 0
    result: TuneResult | None = None


@dataclass(frozen=True, slots=True)
class TuneRequest:
    """Tune an encoder on the library. Answer: `TuneResult`.

    Partial messages: `TuneStep`, and `MarkedGroups` when new ones were stored.

    Attributes:
        alike: What counts as alike, at least one.
        encoder: The encoder to tune; empty: the one that is searched with or, when that one is tuned itself,
            the one it stands on.
        steps: Steps; 0: the usual number.
        seed: Of views and batches.
        probes: Photos whose neighbours are compared; empty: some are chosen.
        changes_layers: Also change the last layers of the encoder; photos are then embedded anew.
        resume: Go on with the stopped tuning; all else is taken from it.
        marks: Photo ids of groups to mark first. They count as alike, and are stored only when nothing
            speaks against the tuning.
    """

    alike: tuple[AlikeKind, ...] = (AlikeKind.VIEWS,)
    encoder: str = ""
    steps: int = 0
    seed: int = 0
    probes: tuple[int, ...] = ()
    changes_layers: bool = False
    resume: bool = False
    marks: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class TuneStep:
    """Figures after a step.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Of this step.
        alignment: Mean squared distance of what is alike, 0 to 4; lower is nearer.
        uniformity: At most 0; lower is more even, near 0 is a collapse.
        is_collapsed: The embeddings run together.
    """

    step: int
    steps: int
    loss: float
    alignment: float
    uniformity: float
    is_collapsed: bool = False


@dataclass(frozen=True, slots=True)
class ProbeNeighbours:
    """A photo and its nearest neighbours before and after."""

    photo: PhotoRow
    before: tuple[PhotoRow, ...]
    after: tuple[PhotoRow, ...]


@dataclass(frozen=True, slots=True)
class TuneResult:
    """A finished tuning; it waits to be kept or discarded.

    Attributes:
        encoder: The encoder that was tuned.
        alike: What counted as alike.
        photos: Photos it learned from.
        steps: Figures of every step.
        seconds: Wall time of the last stretch.
        probes: Neighbours of a few photos before and after.
        agreement_before: How high marked photos rank those of their own set, 0 to 1; None without sets.
        agreement_after: The same afterwards. The sets were learned from, so this is no proof of a gain.
    """

    encoder: str
    alike: tuple[AlikeKind, ...]
    photos: int
    steps: tuple[TuneStep, ...]
    seconds: float
    probes: tuple[ProbeNeighbours, ...]
    agreement_before: float | None = None
    agreement_after: float | None = None


@dataclass(frozen=True, slots=True)
class DiscardTuningRequest:
    """Forget a stopped or finished tuning. Answer: `TuneOptions`."""


@dataclass(frozen=True, slots=True)
class KeepTuningRequest:
    """Write the tuned encoder as a model and compute its embeddings. Answer: `KeptTuning`.

    Attributes:
        title: One line for the user; empty: a usual one.
    """

    title: str = ""


@dataclass(frozen=True, slots=True)
class KeptTuning:
    """A tuned encoder that can be searched with now."""

    name: str
    title: str
    photos: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SwitchEncoderRequest:
    """Search with another encoder that has embeddings in the library. Answer: `EncoderSwitched`."""

    name: str


@dataclass(frozen=True, slots=True)
class EncoderSwitched:
    """Another encoder is searched with now.

    Attributes:
        name: Which.
        previous: The one before.
        photos: Photos that have its embedding.
        photos_total: Indexed photos.
    """

    name: str
    previous: str
    photos: int
    photos_total: int
