"""ReStyle, pSp and e4e checkpoints: encoder, generator and average code (reference, sections 3 and 4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict
from itertools import groupby

import torch

from desktop_app.core.errors import WeightsError
from desktop_app.engine.invert.domains import preset_of_options
from desktop_app.engine.invert.model import ARCHITECTURE
from desktop_app.engine.networks.restyle_encoders import ENCODERS, EncoderShape, create_encoder
from desktop_app.engine.weights.convert_generator import (
    GeneratorShape,
    average_code,
    complete_generator,
    generator_shape,
)
from desktop_app.engine.weights.converted import Converted, check_fit, shapes_of, tag_of
from desktop_app.engine.weights.import_values import ImportRefused, LazyTensor, Made
from desktop_app.engine.weights.recognise import Recognised, without_prefix

RESTYLE_CHANNELS, ONE_PASS_CHANNELS = 6, 3
# Original pSp files may lack `output_size`; it is 1024 then (reference, section 3).
PSP_OUTPUT_PX = 1024
OFFICIAL_INPUT_PX = 256
GROUPS = 4
_E4E = (
    "ProgressiveBackboneEncoder",
    "ResNetProgressiveBackboneEncoder",
    "Encoder4Editing",
    "SingleStyleCodeEncoder",
)
_COUNTERS = ".num_batches_tracked"


def convert_restyle(found: Recognised) -> Converted:
    """A whole inversion model, described by its own training options.

    Raises:
        ImportRefused: The options are missing or the tensors do not fit them.
    """
    opts = found.opts or {}
    encoder_type = _encoder_type(opts)
    try:
        preset = preset_of_options(opts)
    except WeightsError as error:
        raise ImportRefused("does not say for which pictures it was trained (opts.dataset_type)") from error
    decoder = dict(without_prefix(found.tensors, "decoder."))
    g_shape = generator_shape(decoder)
    _check_size(opts, g_shape)
    generator, notes = complete_generator(decoder, g_shape)
    encoder = dict(without_prefix(found.tensors, "encoder."))
    e_shape = _encoder_shape(encoder_type, encoder, g_shape)
    _check_channels(opts, e_shape)
    complete = _complete_encoder(encoder_type, encoder, e_shape)
    w_avg, more = average_code(generator, g_shape, (found.extra or {}).get("latent_avg"))
    tensors: dict[str, LazyTensor] = {f"encoder.{key}": tensor for key, tensor in complete.items()}
    tensors.update({f"decoder.{key}": tensor for key, tensor in generator.items()})
    tensors["latent_avg"] = w_avg
    method = _method(encoder_type, e_shape.input_nc)
    dataset = str(opts["dataset_type"])
    return Converted(
        role="inversion",
        architecture=ARCHITECTURE,
        stem=tag_of(method).replace("-", "_"),
        tag=tag_of(dataset.removesuffix("_encode")),
        title=f"{method}, {preset.title}, {g_shape.size} px",
        config={
            "generator": g_shape.config(),
            "encoder": {"type": encoder_type, **asdict(e_shape)},
            "domain": preset.name,
            "dataset_type": dataset,
            "adds_average": e_shape.input_nc == RESTYLE_CHANNELS
            or bool(opts.get("start_from_latent_avg", True)),
        },
        tensors=tensors,
        facts={
            "method": method,
            "encoder": encoder_type,
            "output": f"{g_shape.size} px",
            "trained on": dataset,
        },
        notes=(*notes, *more),
    )


def _encoder_type(opts: Mapping[str, object]) -> str:
    encoder_type = opts.get("encoder_type")
    if not isinstance(encoder_type, str) or not encoder_type:
        raise ImportRefused(
            "does not say which encoder it holds (opts.encoder_type)",
            "Published ReStyle, pSp and e4e files all do; use the file as it was published.",
        )
    if encoder_type not in ENCODERS:
        name = re.sub(r"\W", "?", encoder_type)[:50]
        raise ImportRefused(f"holds an encoder that is not known here ('{name}')")
    return encoder_type


def _method(encoder_type: str, input_nc: int) -> str:
    base = "e4e" if encoder_type in _E4E else "pSp"
    return f"ReStyle-{base}" if input_nc == RESTYLE_CHANNELS else base


def _check_size(opts: Mapping[str, object], shape: GeneratorShape) -> None:
    stated = opts.get("output_size") or opts.get("stylegan_size") or PSP_OUTPUT_PX
    if stated != shape.size:
        raise ImportRefused(
            f"contradicts itself: its options say {str(stated)[:20]} px, its generator makes {shape.size} px"
        )


def _check_channels(opts: Mapping[str, object], shape: EncoderShape) -> None:
    stated = opts.get("input_nc", shape.input_nc)
    if shape.input_nc not in (ONE_PASS_CHANNELS, RESTYLE_CHANNELS):
        raise ImportRefused(
            f"holds an encoder that reads {shape.input_nc} channels: sketches or label maps, not photos"
        )
    if stated != shape.input_nc and stated is not None and not opts.get("label_nc"):
        raise ImportRefused(
            f"contradicts itself: its options say {str(stated)[:20]} input channels and "
            f"its encoder reads {shape.input_nc}"
        )


def _encoder_shape(
    encoder_type: str, tensors: Mapping[str, LazyTensor], generator: GeneratorShape
) -> EncoderShape:
    """Sizes of an encoder from its tensors; rows and row size are those of the generator."""
    stem = tensors.get("conv1.weight" if encoder_type.startswith("ResNet") else "input_layer.0.weight")
    if stem is None or len(stem.shape) != 4:
        raise ImportRefused(f"holds no encoder of the kind that its options name ({encoder_type})")
    reductions = [key for key in tensors if re.fullmatch(r"styles\.0\.convs\.\d+\.weight", key)]
    input_px = 16 * 2 ** len(reductions) if 0 < len(reductions) <= 6 else OFFICIAL_INPUT_PX
    widths, units = _groups(encoder_type, tensors)
    return EncoderShape(
        n_styles=generator.n_styles,
        input_nc=stem.shape[1],
        style_dim=generator.style_dim,
        widths=widths,
        units=units,
        input_px=input_px,
    )


def _groups(
    encoder_type: str, tensors: Mapping[str, LazyTensor]
) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Widths and block counts of the four groups; the published ones where they cannot be told."""
    standard = EncoderShape(n_styles=1).widths
    part = "conv1" if encoder_type.startswith("ResNet") else "res_layer.1"
    widths: list[int] = []
    while (block := tensors.get(f"body.{len(widths)}.{part}.weight")) is not None and block.shape:
        widths.append(block.shape[0])
    runs = [(width, len(list(run))) for width, run in groupby(widths)]
    if len(runs) != GROUPS or tuple(width for width, _ in runs) == standard:
        return standard, None
    return tuple(width for width, _ in runs), tuple(count for _, count in runs)


def _complete_encoder(
    encoder_type: str, tensors: Mapping[str, LazyTensor], shape: EncoderShape
) -> dict[str, LazyTensor]:
    own = shapes_of(lambda: create_encoder(encoder_type, shape))
    complete: dict[str, LazyTensor] = dict(tensors)
    for key in own:
        # Counters of training steps, which old PyTorch versions did not store; inference ignores them.
        if key.endswith(_COUNTERS) and key not in complete:
            complete[key] = Made((), lambda: torch.zeros((), dtype=torch.int64))
    check_fit(own, complete, what=f"the encoder '{encoder_type}' with {shape.n_styles} rows")
    return complete
