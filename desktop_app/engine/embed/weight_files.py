"""Weight files of other projects' encoders: find them in the model folder and read them safely."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from desktop_app.core.errors import WeightsError, display_path

_ENDINGS = (".safetensors", ".pth", ".pt", ".bin")
_INNER_NAMES = (
    "model.safetensors",
    "open_clip_model.safetensors",
    "pytorch_model.bin",
    "open_clip_pytorch_model.bin",
)
# Under which a checkpoint keeps its weights, besides at the top.
_WRAPPERS = ("state_dict", "model", "teacher")


def find_weights(folder: Path, stem: str) -> Path:
    """The file `<stem>.safetensors` (or .pth, .pt, .bin), or the usual file in a folder `<stem>`.

    Raises:
        WeightsError: There is none; the message says where it was looked for.
    """
    candidates = [folder / (stem + ending) for ending in _ENDINGS]
    candidates += [folder / stem / name for name in _INNER_NAMES]
    for file in candidates:
        if file.is_file():
            return file
    raise WeightsError(
        f"The weights of '{stem}' are not in the model folder.",
        f"Put them there as {display_path(candidates[0])}.",
    )


def read_weights(file: Path) -> dict[str, Tensor]:
    """Tensors of a safetensors file, or of a checkpoint that holds nothing but tensors.

    Raises:
        WeightsError: The file is damaged or holds more than tensors.
    """
    try:
        if file.suffix == ".safetensors":
            return safetensors.torch.load_file(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old or unusual file layouts
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"The weights {display_path(file)} hold more than tensors and are not opened.",
            "Use a safetensors file.",
        ) from error
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError, KeyError) as error:
        raise WeightsError(f"The weights {display_path(file)} cannot be read: {error}.") from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not all(isinstance(v, Tensor) for v in content.values()):
        raise WeightsError(f"The file {display_path(file)} holds no weights of a network.")
    return {str(key).removeprefix("module."): value for key, value in content.items()}
