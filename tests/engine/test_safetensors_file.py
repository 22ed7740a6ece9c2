"""Reading weights: what the library reads, in memory of their own, damage noticed."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from desktop_app.core.errors import WeightsError
from desktop_app.engine.invert.model import build_inversion_model, model_config, model_tensors
from desktop_app.engine.weights.safetensors_file import DTYPES, DamagedFile, read_safetensors
from desktop_app.engine.weights.store import ModelCard, ModelStore, write_model
from tests.engine.tiny_models import CHANNELS, SIZE, STYLE_DIM, tiny_model


def test_every_type_and_shape_reads_as_the_library_reads_it(tmp_path: Path) -> None:
    tensors = {f"t{n}": torch.randn(3, 5).mul(9).to(dtype) for n, dtype in enumerate(DTYPES.values())}
    tensors |= {
        "scalar": torch.tensor(4),
        "empty": torch.zeros(0, 3),
        "odd": torch.ones(7, dtype=torch.uint8),
    }
    file = tmp_path / "x.safetensors"
    safetensors.torch.save_file(tensors, file, {"about": "a test"})
    ours, digest = read_safetensors(file, with_digest=True)
    theirs = safetensors.torch.load_file(file)
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key].dtype == value.dtype and torch.equal(ours[key], value), key
    assert digest == hashlib.sha256(file.read_bytes()).hexdigest()
    assert read_safetensors(file, with_digest=False)[1] == ""


def damaged(content: bytes) -> list[bytes]:
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["a"]["shape"] = [2**40]
    wrong = json.dumps(header).encode()
    return [
        b"",
        content[:5],
        content[:40],
        content[:-1],
        content + b"x",
        (1 << 62).to_bytes(8, "little") + content[8:],
        content[:8] + b"[" * length + content[8 + length :],
        len(wrong).to_bytes(8, "little") + wrong + content[8 + length :],
    ]


def test_damaged_files_are_noticed_before_anything_is_allocated(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    safetensors.torch.save_file({"a": torch.randn(30), "b": torch.randn(3)}, file)
    for content in damaged(file.read_bytes()):
        file.write_bytes(content)
        with pytest.raises(DamagedFile):
            read_safetensors(file, with_digest=True)


def stored_model(folder: Path) -> tuple[ModelStore, ModelCard]:
    model = tiny_model()
    channels = {str(k): v for k, v in CHANNELS.items()}
    generator = {"size": SIZE, "style_dim": STYLE_DIM, "n_mlp": 2, "channels": channels}
    card = ModelCard(
        name="restyle.tiny", role="inversion", architecture="restyle", title="", licence="", sources="",
        config=model_config(generator, "BackboneEncoder", model.encoder.shape),  # type: ignore[arg-type]
        sha256="", bytes=0, facts={}, folder=folder,
    )  # fmt: skip
    card = write_model(card, model_tensors(model.encoder, model.generator, model.w_avg))
    return ModelStore(folder / "none", folder), card


def test_changed_numbers_do_not_match_the_card(tmp_path: Path) -> None:
    store, card = stored_model(tmp_path)
    content = bytearray(card.weights_file.read_bytes())
    content[-1] ^= 1
    card.weights_file.write_bytes(content)
    with pytest.raises(WeightsError, match="do not match their card"):
        store.tensors(card)
    card.weights_file.write_bytes(content[:-4])
    with pytest.raises(WeightsError, match="cannot be read"):
        store.tensors(card)


def test_building_a_model_takes_the_tensors_over(tmp_path: Path) -> None:
    store, card = stored_model(tmp_path)
    tensors = store.tensors(card)
    model = build_inversion_model(card, tensors, device=torch.device("cpu"))
    assert not tensors
    assert model.n_styles == tiny_model().n_styles


def test_loading_a_model_loads_no_compiler(tmp_path: Path) -> None:
    """PyTorch's compiler takes seconds and a tenth of a gigabyte."""
    import subprocess
    import sys

    stored_model(tmp_path)
    code = (
        "import sys, torch\n"
        "from pathlib import Path\n"
        "from desktop_app.engine.invert.model import load_inversion_model\n"
        "from desktop_app.engine.weights.store import ModelStore\n"
        f"store = ModelStore(Path('none'), Path({str(tmp_path)!r}))\n"
        "load_inversion_model(store, 'restyle.tiny', device=torch.device('cpu'))\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    root = Path(__file__).resolve().parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, timeout=250, check=False).returncode == 0
