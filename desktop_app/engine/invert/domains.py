"""Picture domains of the published models: crop, encoder, and how the input is framed.

Which domain a checkpoint belongs to is read from `dataset_type` of its training options, never
guessed from a file name (reference, sections 3 to 5).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from desktop_app.core.errors import WeightsError
from desktop_app.core.types import PasteMode


@dataclass(frozen=True, slots=True)
class DomainPreset:
    """How pictures of one domain enter and leave the networks.

    Attributes:
        name: Key in a card's `config["domain"]`.
        title: For the user.
        dataset_types: Values of `opts.dataset_type` that mean this domain.
        output_px: Side of the published generator.
        psp_encoder: Encoder type of the published ReStyle-pSp model; empty: there is none.
        e4e_encoder: Encoder type of the published ReStyle-e4e model; empty: there is none.
        row_fraction: First and last visible row of the square output as fractions: cars are wide
            pictures in a square with black bars.
        needs_alignment: Faces have to be cut out as FFHQ does before.
        directions: Kinds of edit directions that are known for the published generator.
        starts_from: Domains whose models can start a bootstrapping that a model of this one ends.
        short: What such a picture is, in a word.
    """

    name: str
    title: str
    dataset_types: tuple[str, ...]
    output_px: int
    psp_encoder: str = "ResNetBackboneEncoder"
    e4e_encoder: str = "ResNetProgressiveBackboneEncoder"
    row_fraction: tuple[float, float] = (0.0, 1.0)
    needs_alignment: bool = False
    directions: tuple[str, ...] = ("sefa",)
    starts_from: tuple[str, ...] = ()
    short: str = ""

    def rows(self, height_px: int) -> slice:
        """Visible rows of a square picture of this height."""
        first, last = self.row_fraction
        return slice(round(first * height_px), round(last * height_px))

    @property
    def shows_all(self) -> bool:
        """Nothing is cropped."""
        return self.row_fraction == (0.0, 1.0)

    def input_size(self, input_px: int) -> tuple[int, int]:
        """Height and width of the encoder's input."""
        rows = self.rows(input_px)
        return rows.stop - rows.start, input_px


PRESETS: tuple[DomainPreset, ...] = (
    DomainPreset(
        "faces",
        "Faces",
        ("ffhq_encode", "ffhq_frontalize", "celebs_super_resolution", "celebs_sketch_to_face"),
        1024,
        psp_encoder="BackboneEncoder",
        e4e_encoder="ProgressiveBackboneEncoder",
        needs_alignment=True,
        directions=("interfacegan", "ganspace", "sefa"),
        short="face",
    ),
    DomainPreset(
        "toonify",
        "Cartoon faces (Toonify)",
        ("toonify",),
        1024,
        psp_encoder="BackboneEncoder",
        e4e_encoder="",
        needs_alignment=True,
        starts_from=("faces",),
        short="toon",
    ),
    DomainPreset(
        "toon",
        "Cartoon faces",
        (),
        0,
        e4e_encoder="",
        needs_alignment=True,
        starts_from=("faces",),
        short="toon",
    ),
    DomainPreset(
        "cars",
        "Cars (Stanford Cars)",
        ("cars_encode",),
        512,
        row_fraction=(1 / 8, 7 / 8),
        directions=("ganspace", "sefa"),
        short="car",
    ),
    DomainPreset("church", "Churches (LSUN Church)", ("church_encode",), 256, short="church"),
    DomainPreset("horse", "Horses (LSUN Horse)", ("horse_encode",), 256, psp_encoder="", short="horse"),
    DomainPreset("wild", "Wild animals (AFHQ Wild)", ("afhq_wild_encode",), 512, short="wild animal"),
)
_BY_NAME = {preset.name: preset for preset in PRESETS}


def preset_named(name: str) -> DomainPreset:
    """The preset of a card; an unknown name is a domain of the user's own, shown whole."""
    return _BY_NAME.get(name) or DomainPreset(name, name, (), 0, short=name)


def usual_paste(domain: str) -> PasteMode:
    """How a face of a domain goes back into its photo: a drawn one is no change of the photo's own pixels."""
    return PasteMode.REPLACE if preset_named(domain).starts_from else PasteMode.CHANGE


def preset_of_options(opts: Mapping[str, Any]) -> DomainPreset:
    """The preset that the training options of a checkpoint name.

    Args:
        opts: The checkpoint's `opts`, a plain dict.

    Raises:
        WeightsError: There is no `dataset_type`.
    """
    dataset_type = opts.get("dataset_type")
    if not isinstance(dataset_type, str) or not dataset_type:
        raise WeightsError(
            "The checkpoint does not say what kind of pictures it was trained on (opts.dataset_type)."
        )
    for preset in PRESETS:
        if dataset_type in preset.dataset_types:
            return preset
    return preset_named(dataset_type.removesuffix("_encode"))
