"""The training configuration survives a file, and wrong files are refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from desktop_app.core.errors import UserInputError
from desktop_app.training.config import (
    METHODS,
    ContrastiveConfig,
    Dissimilarity,
    config_from_dict,
    config_to_dict,
)


@pytest.mark.parametrize("method", sorted(METHODS))
def test_configuration_survives_json(method: str) -> None:
    config = replace(ContrastiveConfig(), **METHODS[method], images=7, seed=3)
    back = config_from_dict(json.loads(json.dumps(config_to_dict(config))))
    assert back == config
    assert isinstance(back.dissimilarity, Dissimilarity)


def test_unknown_name_is_named() -> None:
    with pytest.raises(UserInputError, match="colour_jitter"):
        config_from_dict({"views": {"colour_jitter": 1}})


@pytest.mark.parametrize("raw", [{"images": "many"}, {"encoder": 3}, {"dissimilarity": "enemies"}])
def test_wrong_value_is_refused(raw: dict[str, object]) -> None:
    with pytest.raises(UserInputError, match=next(iter(raw))):
        config_from_dict(raw)
