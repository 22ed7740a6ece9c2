"""Files that are no weights, or only a part of them: one sentence each."""

from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from desktop_app.engine.weights.converters import convert
from desktop_app.engine.weights.import_container import read_content
from desktop_app.engine.weights.import_values import ImportRefused
from desktop_app.engine.weights.recognise import recognise
from tests.security import foreign_files as made
from tests.security.conftest import Refusal

DRIVE_PAGE = b"""<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title></head>
<body>Sorry, you can't view or download this file at this time.</body></html>"""


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (DRIVE_PAGE, "web page"),
        (b"\r\n  <html><body>Virus scan warning</body></html>", "web page"),
        (b"", "empty"),
        (b"import os\nos.system('true')\n", "no weights file"),
        (gzip.compress(b"weights"), "packed archive"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 64, "no weights file"),
        (b"PK\x03\x04" + b"\0" * 64, "cut off"),
        (b"\x80\x02", "cut off"),
        (b"\x80\x02.", "damaged"),
        (b"\x80\x02N.", "no model"),
        (b"\x93NUMPY\x01\x00v\x00{'descr'", "cut off"),
        (b"\x93NUMPY\x01\x00\x10\x00" + b"__import__('os')", "damaged"),
        (b"\x20\x00\x00\x00\x00\x00\x00\x00" + b'{"x":{"dtype":"F32"}}', "safetensors"),
    ],
)
def test_no_weights_at_all(content: bytes, expected: str, tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "x.pt"
    file.write_bytes(content)
    assert expected in refusal(file)


def test_folder_and_missing_file(tmp_path: Path, refusal: Refusal) -> None:
    assert "folder" in refusal(tmp_path)
    assert "not there" in refusal(tmp_path / "nothing.pt")


@pytest.mark.parametrize("is_legacy", [False, True])
@pytest.mark.parametrize("share", [0.001, 0.3, 0.9, 0.999])
def test_truncated_checkpoint(tmp_path: Path, refusal: Refusal, is_legacy: bool, share: float) -> None:
    data = made.save(made.restyle_checkpoint(), tmp_path / "whole.pt", is_legacy=is_legacy).read_bytes()
    file = tmp_path / "part.pt"
    file.write_bytes(data[: int(len(data) * share)])
    assert "cut off" in refusal(file)


def test_truncated_nvidia_pickle(tmp_path: Path, refusal: Refusal) -> None:
    state = made.nvidia_state(made.tiny_generator(), torch.zeros(made.STYLE_DIM))
    whole = made.nvidia_pickle(state, tmp_path / "n.pkl").read_bytes()
    file = tmp_path / "part.pkl"
    file.write_bytes(whole[: len(whole) // 2])
    assert "cut off" in refusal(file)


def _changed(key: str, value: torch.Tensor | None) -> dict[str, Any]:
    content = made.restyle_checkpoint()
    if value is None:
        del content["state_dict"][key]
    else:
        content["state_dict"][key] = value
    return content


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("encoder.styles.5.linear.weight", None, "1 missing (styles.5.linear.weight)"),
        ("encoder.body.3.res_layer.0.weight", None, "1 missing (body.3.res_layer.0.weight)"),
        ("encoder.styles.6.linear.bias", torch.zeros(32), "1 unexpected (styles.6.linear.bias)"),
        ("encoder.styles.0.linear.bias", torch.zeros(7), "styles.0.linear.bias 7 instead of 32"),
        ("decoder.conv1.conv.weight", None, "1 missing (conv1.conv.weight)"),
        ("decoder.conv1.conv.weight", torch.zeros(1, 6, 7, 3, 3), "1x6x7x3x3 instead of 1x6x6x3x3"),
        ("decoder.extra", torch.zeros(1), "1 unexpected (extra)"),
        ("decoder.noises.noise_1", torch.zeros(1, 1, 4, 4), "1x1x4x4 instead of 1x1x8x8"),
        ("decoder.convs.1.conv.weight", None, "convs.1.conv.weight"),
        ("decoder.style.1.weight", torch.full((32, 32), float("nan")), "no numbers"),
        ("encoder.styles.2.linear.bias", torch.tensor([float("inf")] * 32), "no numbers"),
        ("encoder.input_layer.0.weight", None, "no encoder of the kind"),
    ],
)
def test_wrong_architecture_and_broken_values(
    key: str, value: torch.Tensor | None, expected: str, tmp_path: Path, refusal: Refusal
) -> None:
    assert expected in refusal(made.save(_changed(key, value), tmp_path / "x.pt"))


def test_many_missing_keys_are_listed_shortly(tmp_path: Path, refusal: Refusal) -> None:
    content = made.restyle_checkpoint()
    for key in [key for key in content["state_dict"] if ".styles." in key]:
        del content["state_dict"][key]
    sentence = refusal(made.save(content, tmp_path / "x.pt"))
    assert "missing" in sentence
    assert sentence.count("styles.") <= 4


@pytest.mark.parametrize(
    ("opts", "expected"),
    [
        ({"encoder_type": "HyperEncoder"}, "HyperEncoder"),
        ({"encoder_type": "ResNetBackboneEncoder"}, "no encoder of the kind"),
        ({"encoder_type": None}, "opts.encoder_type"),
        ({"dataset_type": None}, "opts.dataset_type"),
        ({"output_size": 1024}, "1024 px"),
        ({"input_nc": 3}, "contradicts itself"),
    ],
)
def test_options_that_do_not_fit(
    opts: dict[str, Any], expected: str, tmp_path: Path, refusal: Refusal
) -> None:
    content = made.restyle_checkpoint()
    content["opts"].update(opts)
    assert expected in refusal(made.save(content, tmp_path / "x.pt"))


def test_no_options_at_all(tmp_path: Path, refusal: Refusal) -> None:
    content = made.restyle_checkpoint()
    del content["opts"]
    assert "which encoder" in refusal(made.save(content, tmp_path / "x.pt"))


def test_unknown_model_says_what_it_holds(tmp_path: Path, refusal: Refusal) -> None:
    file = made.save({"unet": {"a": torch.zeros(2)}, "it's <b>": 1}, tmp_path / "x.pt")
    assert "it holds unet, it?s ?b?" in refusal(file)


def test_torchscript(tmp_path: Path, refusal: Refusal) -> None:
    import zipfile

    file = tmp_path / "script.pt"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("m/data.pkl", b"\x80\x02N.")
        archive.writestr("m/constants.pkl", b"\x80\x02).")
        archive.writestr("m/code/x.py", b"")
    assert "TorchScript" in refusal(file)


@pytest.mark.parametrize("form", ["zip", "legacy", "nvidia", "npz"])
def test_random_damage_never_ends_otherwise(form: str, tmp_path: Path) -> None:
    """Bytes of the structure are changed at random: a refusal or a model, never another error."""
    file = tmp_path / "x"
    if form == "npz":
        np.savez(tmp_path / "x.npz", comp=np.ones((2, 32)), mean=np.ones(32), std=np.ones(2))
        whole = bytearray((tmp_path / "x.npz").read_bytes())
    elif form == "nvidia":
        state = made.nvidia_state(made.tiny_generator(), torch.zeros(made.STYLE_DIM))
        whole = bytearray(made.nvidia_pickle(state, file).read_bytes())
    else:
        content = {"g_ema": made.tiny_generator().state_dict(), "latent_avg": torch.zeros(32)}
        whole = bytearray(made.save(content, file, is_legacy=form == "legacy").read_bytes())
    luck = random.Random(form)
    refused = 0
    for _ in range(60):
        data = bytearray(whole)
        for _ in range(luck.choice((1, 2, 8))):
            # the structure lies at both ends; the numbers in between may be anything
            place = luck.randrange(min(4000, len(data)))
            place = place if luck.random() < 0.6 else len(data) - 1 - place
            data[place] = luck.randrange(256)
        file.write_bytes(bytes(data))
        try:
            convert(recognise(read_content(file)), label="x")
        except ImportRefused as error:
            assert error.reason
            refused += 1
    assert refused > 10
