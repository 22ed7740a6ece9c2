"""From a recognised file to a model: which converter takes which kind."""

from __future__ import annotations

from desktop_app.engine.weights.convert_directions import convert_components, convert_directions
from desktop_app.engine.weights.convert_encoder import convert_encoder
from desktop_app.engine.weights.convert_generator import convert_generator
from desktop_app.engine.weights.convert_nvidia import convert_nvidia
from desktop_app.engine.weights.convert_perceptual import convert_perceptual
from desktop_app.engine.weights.convert_recognition import convert_recognition
from desktop_app.engine.weights.convert_restyle import convert_restyle
from desktop_app.engine.weights.converted import Converted
from desktop_app.engine.weights.recognise import FileKind, Recognised

_CONVERTERS = {
    FileKind.INVERSION: convert_restyle,
    FileKind.GENERATOR: convert_generator,
    FileKind.NVIDIA: convert_nvidia,
    FileKind.NVIDIA_TF: convert_nvidia,
    FileKind.COMPONENTS: convert_components,
    FileKind.RESNET50: convert_encoder,
    FileKind.RECOGNITION: convert_recognition,
    FileKind.PERCEPTUAL: convert_perceptual,
}


def convert(found: Recognised, *, label: str) -> Converted:
    """Describe a file as a model and compare it with the network.

    Args:
        found: The file.
        label: What an edit direction without a name of its own is called.

    Raises:
        ImportRefused: It does not fit.
    """
    if found.kind is FileKind.DIRECTIONS:
        return convert_directions(found, label=label)
    return _CONVERTERS[found.kind](found)
