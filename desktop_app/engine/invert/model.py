"""An inversion model: encoder, generator and average code, loaded from one checkpoint.

The weights file keeps the official layout (reference, section 3): `encoder.*`, `decoder.*` and
`latent_avg`. The card's `config` holds the sizes of both networks. A generator that was imported alone
is a model too, without an encoder: methods that only optimise can use it.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from desktop_app.core.errors import WeightsError
from desktop_app.engine.invert.cuda_graph import PassGraphs
from desktop_app.engine.invert.domains import DomainPreset, preset_named
from desktop_app.engine.networks.restyle_encoders import ENCODERS, EncoderShape, create_encoder
from desktop_app.engine.networks.stylegan2 import EqualLinear, Generator
from desktop_app.engine.weights.converted import NoArithmetic
from desktop_app.engine.weights.store import ModelCard, ModelStore, load_strict

ARCHITECTURE = "restyle"
GENERATOR_ALONE = "stylegan2"
INVERTIBLE = (ARCHITECTURE, GENERATOR_ALONE)
NO_ENCODER_HINT = "It can be used with the projections (Karras), which need none."
COMPARED_PX = 256  # a generator alone is compared with the photo at this size, as Karras' projection does


class NoEncoder(nn.Module):
    """Stands where a generator alone has no encoder."""

    def forward(self, x: Tensor) -> Tensor:
        """Refuse.

        Raises:
            WeightsError: Always.
        """
        raise WeightsError("This model is a generator alone and has no encoder.", NO_ENCODER_HINT)


@dataclass(slots=True)
class InversionModel:
    """Networks in inference state.

    Attributes:
        name: Model name.
        generator: StyleGAN2.
        encoder: ReStyle encoder (6 channels) or one-pass encoder (3 channels); else `NoEncoder`.
        w_avg: Average code, (D,).
        input_px: Side of the encoder's input.
        input_nc: Channels of the encoder's input; 0 without an encoder.
        device: Where the networks lie.
        domain: `faces`, `cars` ...
        adds_average: The code is the encoder's answer plus the average code; False for encoders
            that were trained to answer with the whole code.
        dtype: Precision of the maps inside the networks; codes and pictures stay float32.
        average_output: Average image, visible part at the generator's scale, (1, 3, H, output_px).
        average_image: The same pooled to the encoder's input, (1, 3, h, input_px).
        graphs: Recorded passes; used on CUDA devices only.
    """

    name: str
    generator: Generator
    encoder: nn.Module
    w_avg: Tensor
    input_px: int
    input_nc: int
    device: torch.device
    domain: str = "faces"
    adds_average: bool = True
    dtype: torch.dtype = torch.float32
    average_output: Tensor = field(init=False)
    average_image: Tensor = field(init=False)
    graphs: PassGraphs = field(init=False, repr=False, compare=False, default_factory=PassGraphs)

    def __post_init__(self) -> None:
        with torch.no_grad():  # not inference mode: an optimiser may look at these
            self.average_output = self.decode(self.average_codes(1))
            self.average_image = self.pool(self.average_output)

    @property
    def n_styles(self) -> int:
        """Rows of a W+ code."""
        return self.generator.n_latent

    @property
    def style_dim(self) -> int:
        """Size of a row."""
        return self.generator.style_dim

    @property
    def output_px(self) -> int:
        """Side of the generated image."""
        return self.generator.size

    def use_precision(self, dtype: torch.dtype) -> None:
        """Compute in another precision from now on; the equalised layers of styles stay float32.

        Going back to float32 does not bring back what rounding took: load the model again.
        """
        self.dtype = dtype
        for module in self.encoder.modules():
            if not isinstance(module, EqualLinear) and next(module.children(), None) is None:
                module.to(dtype)
        self.__post_init__()

    @property
    def preset(self) -> DomainPreset:
        """Framing of the domain."""
        return preset_named(self.domain)

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the encoder's input: square, but 192x256 for cars."""
        return self.preset.input_size(self.input_px)

    def average_codes(self, batch: int) -> Tensor:
        """The average code as W+, (B, L, D)."""
        return self.w_avg.to(self.device).expand(batch, self.n_styles, -1)

    def visible(self, y: Tensor) -> Tensor:
        """The rows of a square output that belong to the picture."""
        return y if self.preset.shows_all else y[:, :, self.preset.rows(y.shape[-2])]

    def decode(self, w_plus: Tensor) -> Tensor:
        """W+ code to the visible picture: (B, L, D) -> (B, 3, H, output_px), not clipped."""
        return self.visible(self.generator.synthesize(w_plus, dtype=self.dtype))

    def pool(self, y: Tensor) -> Tensor:
        """Average-pool a visible picture to the encoder's input (repeats pixels of smaller ones)."""
        size = self.input_size
        return y if tuple(y.shape[-2:]) == size else F.adaptive_avg_pool2d(y, size)

    def encode(self, x: Tensor, estimate: Tensor | None = None) -> Tensor:
        """The encoder's answer as rows, (B, L, D), without any code added.

        Args:
            x: Pictures, (B, 3, h, input_px).
            estimate: Current estimates of the same size, for encoders that look at two pictures.
        """
        if self.input_nc > 3:
            estimate = self.average_image if estimate is None else estimate
            x = torch.cat([x, estimate.expand_as(x)], dim=1)
        x = x.to(dtype=self.dtype, memory_format=torch.channels_last)
        codes: Tensor = self.encoder(x).float()
        return codes[:, None].expand(-1, self.n_styles, -1) if codes.dim() == 2 else codes


def model_config(generator: dict[str, Any], encoder_type: str, shape: EncoderShape) -> dict[str, Any]:
    """The `config` entry of a card."""
    return {
        "generator": generator,
        "encoder": {"type": encoder_type, **asdict(shape)},
        "domain": "faces",
        "license_note": "",
    }


def load_inversion_model(store: ModelStore, name: str, *, device: torch.device) -> InversionModel:
    """Load a model by name.

    Raises:
        WeightsError: No such model, wrong kind, damaged file or another architecture.
    """
    card = store.card(name, roles=("inversion",))
    if card.architecture not in INVERTIBLE:
        raise WeightsError(f"The model '{name}' is no inversion model (it is '{card.architecture}').")
    return build_inversion_model(card, store.tensors(card), device=device)


def build_inversion_model(
    card: ModelCard, tensors: dict[str, Tensor], *, device: torch.device
) -> InversionModel:
    """Build the networks a card describes and fill them, strictly.

    Args:
        card: The card.
        tensors: The weights; taken over and emptied, so that a large model is never in memory twice.
        device: Where to.

    Raises:
        WeightsError: The card or the weights do not fit.
    """
    with torch.device("meta"), NoArithmetic():  # no memory and no time for values that are replaced
        generator, encoder, shape = networks_of(card)
    for key, values in tensors.items():
        tensors[key] = values.float() if values.is_floating_point() else values
    average = tensors.get("latent_avg")
    if average is None:
        raise WeightsError(f"The weights of '{card.name}' hold no 'latent_avg'.")
    if not bool(average.isfinite().all()):
        raise WeightsError(f"The average code of '{card.name}' holds values that are no numbers.")
    for network, prefix, what in ((generator, "decoder.", "generator"), (encoder, "encoder.", "encoder")):
        load_strict(network, _below(tensors, prefix), what=f"the {what} of '{card.name}'", assign=True)
    tensors.clear()
    for network in (generator, encoder):
        network.eval().requires_grad_(False).to(device)
    encoder.to(memory_format=torch.channels_last)
    generator.arrange()
    return InversionModel(
        name=card.name,
        generator=generator,
        encoder=encoder,
        w_avg=(average if average.dim() == 1 else average[0]).to(device),
        input_px=shape.input_px,
        input_nc=shape.input_nc,
        device=device,
        domain=str(card.config.get("domain", "faces")),
        adds_average=bool(card.config.get("adds_average", True)),
    )


def model_tensors(model_encoder: nn.Module, generator: Generator, w_avg: Tensor) -> dict[str, Tensor]:
    """State of both networks in the official layout."""
    tensors = {f"encoder.{k}": v for k, v in model_encoder.state_dict().items()}
    tensors.update({f"decoder.{k}": v for k, v in generator.state_dict().items()})
    tensors["latent_avg"] = w_avg
    return tensors


def networks_of(card: ModelCard) -> tuple[Generator, nn.Module, EncoderShape]:
    """Networks of the sizes a card states, with random weights (none on the meta device).

    Raises:
        WeightsError: The card does not describe a model.
    """
    try:
        g = card.config["generator"]
        channels = {int(k): int(v) for k, v in g["channels"].items()} if g.get("channels") else None
        generator = Generator(
            int(g["size"]), style_dim=int(g["style_dim"]), n_mlp=int(g["n_mlp"]), channels=channels
        )
        if card.architecture == GENERATOR_ALONE:
            return generator, NoEncoder(), _no_input(generator)
        e = dict(card.config["encoder"])
        encoder_type = str(e.pop("type"))
        units = e.pop("units")
        shape = EncoderShape(
            **{**e, "widths": tuple(e["widths"])}, units=tuple(units) if units is not None else None
        )
        if encoder_type not in ENCODERS:
            raise WeightsError(f"The card of '{card.name}' names an unknown encoder '{encoder_type}'.")
        return generator, create_encoder(encoder_type, shape), shape
    except (KeyError, TypeError, ValueError) as error:
        raise WeightsError(f"The card of '{card.name}' does not describe a model: {error!r}.") from error


def _no_input(generator: Generator) -> EncoderShape:
    return EncoderShape(
        n_styles=generator.n_latent,
        input_nc=0,
        style_dim=generator.style_dim,
        input_px=min(generator.size, COMPARED_PX),
    )


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
