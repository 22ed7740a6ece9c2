"""Half precision on a natural-range model: the loop's pictures stay within one 8-bit level of float32."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from desktop_app.core.paths import resources_folder
from desktop_app.engine.image_tensor import tensor_to_image
from desktop_app.engine.invert.model import InversionModel, load_inversion_model
from desktop_app.engine.invert.restyle import invert
from desktop_app.engine.weights.store import ModelStore

BUILTIN = "restyle_psp.builtin"


def _model(nowhere: Path) -> InversionModel:
    store = ModelStore(resources_folder() / "models", nowhere)
    return load_inversion_model(store, BUILTIN, device=torch.device("cpu"))


@pytest.mark.weights
def test_bfloat16_loop_stays_within_a_level_of_float32(tmp_path: Path) -> None:
    exact, rough = _model(tmp_path), _model(tmp_path)
    rough.use_precision(torch.bfloat16)
    chance = torch.Generator().manual_seed(0)
    differences = []
    for _ in range(3):  # faces that the model itself makes: codes about the average
        codes = exact.average_codes(1) + 0.5 * torch.randn(1, 1, exact.style_dim, generator=chance)
        face = tensor_to_image(exact.decode(codes)[0].clamp(-1, 1))
        pairs = zip(invert(exact, face, steps=5), invert(rough, face, steps=5), strict=True)
        for one, other in pairs:
            difference = abs(one.y_hat.astype(int) - other.y_hat.astype(int))
            differences.append(difference.mean())
    assert 0.0 < max(differences) <= 1.0, differences
