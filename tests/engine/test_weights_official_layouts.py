"""The key lists of the published checkpoints are understood: sizes, names, nothing missing or left over."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from desktop_app.engine.networks.stylegan2 import Generator, style_count
from desktop_app.engine.weights.convert_generator import convert_generator
from desktop_app.engine.weights.convert_restyle import convert_restyle
from desktop_app.engine.weights.converted import shapes_of
from desktop_app.engine.weights.import_values import Storage, TensorRef, row_major
from desktop_app.engine.weights.recognise import FileKind, Recognised

DEFAULT = Path(__file__).resolve().parents[3] / "shared" / "reference" / "fixtures"
SPECS = Path(os.environ.get("CONTRASTYLE_FIXTURES", DEFAULT)) / "specs"
ENCODERS = sorted(SPECS.glob("*Encoder*ch.json"))
GENERATORS = sorted(SPECS.glob("generator_*.json"))

needs_specs = pytest.mark.skipif(not ENCODERS, reason="no key lists here (CONTRASTYLE_FIXTURES)")


def tensor(shape: tuple[int, ...]) -> TensorRef:
    """A tensor without numbers."""
    numel = 1
    for size in shape:
        numel *= size
    return TensorRef(Storage("float32", numel), 0, shape, row_major(shape))


def listed(file: Path) -> dict[str, tuple[int, ...]]:
    """Names and sizes of a key list."""
    spec = json.loads(file.read_text(encoding="utf-8"))
    return {key: tuple(shape) for key, shape, _dtype, _rule in spec["tensors"]}


@needs_specs
@pytest.mark.parametrize("file", ENCODERS, ids=lambda file: file.stem)
def test_encoders(file: Path) -> None:
    encoder_type, styles, channels = file.stem.split("_")
    size = 2 ** (int(styles) // 2 + 1)
    assert style_count(size) == int(styles)
    shapes = {f"encoder.{key}": shape for key, shape in listed(file).items()}
    decoder = shapes_of(lambda: Generator(size))
    shapes |= {f"decoder.{key}": shape for key, shape in decoder.items()}
    input_nc = int(channels.removesuffix("ch"))
    found = Recognised(
        FileKind.INVERSION,
        {key: tensor(shape) for key, shape in shapes.items()},
        opts={
            "encoder_type": encoder_type,
            "output_size": size,
            "dataset_type": "cars_encode",
            "input_nc": input_nc,
        },
        extra={"latent_avg": tensor((int(styles), 512))},
    )
    converted = convert_restyle(found)
    assert set(converted.tensors) == set(shapes) | {"latent_avg"}
    assert converted.config["encoder"] == {
        "type": encoder_type, "n_styles": int(styles), "input_nc": input_nc, "style_dim": 512,
        "widths": (64, 128, 256, 512), "units": None, "input_px": 256,
    }  # fmt: skip
    assert converted.config["generator"]["channels"] is None
    assert not converted.notes


@needs_specs
@pytest.mark.parametrize("file", GENERATORS, ids=lambda file: file.stem)
def test_generators(file: Path) -> None:
    tensors = {key: tensor(shape) for key, shape in listed(file).items()}
    found = Recognised(FileKind.GENERATOR, tensors, extra={"latent_avg": tensor((512,))})
    converted = convert_generator(found)
    assert converted.config["generator"]["size"] == int(file.stem.split("_")[1])
    assert set(converted.tensors) == {f"decoder.{key}" for key in tensors} | {"latent_avg"}


def test_building_empty_networks_loads_no_compiler() -> None:
    """PyTorch's compiler takes seconds to load and writes files, which the confined process must not."""
    import subprocess
    import sys

    code = (
        "import sys\n"
        "from desktop_app.engine.networks.restyle_encoders import ENCODERS, EncoderShape, create_encoder\n"
        "from desktop_app.engine.networks.stylegan2 import Generator\n"
        "from desktop_app.engine.weights.converted import shapes_of\n"
        "shapes_of(lambda: Generator(64))\n"
        "for name in ENCODERS:\n"
        "    shapes_of(lambda: create_encoder(name, EncoderShape(10)))\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, timeout=250, check=False)
    assert done.returncode == 0


def test_empty_networks_hold_no_numbers() -> None:
    shapes = shapes_of(lambda: Generator(1024))
    assert shapes["input.input"] == (1, 512, 4, 4)
    assert torch.zeros(1).device.type == "cpu"  # the mode ends with the call
