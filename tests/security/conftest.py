"""What the tests of foreign files share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from desktop_app.engine.weights.import_values import ImportRefused

Refusal = Callable[[Path], str]


def one_sentence(reason: str) -> str:
    """The sentence a user reads; fails when it is more than one or says nothing."""
    sentence = f"'x' {reason}."
    assert "\n" not in sentence
    assert ". " not in sentence
    assert 12 < len(sentence) < 500
    assert "None" not in sentence
    return sentence


@pytest.fixture
def refusal() -> Refusal:
    """Opens a file as the confined process does and returns the sentence that ends it."""

    def open_it(file: Path) -> str:
        from desktop_app.engine.weights.converters import convert
        from desktop_app.engine.weights.import_container import read_content
        from desktop_app.engine.weights.import_writer import checked_values
        from desktop_app.engine.weights.recognise import recognise

        with pytest.raises(ImportRefused) as caught:
            converted = convert(recognise(read_content(file)), label="x")
            for name, tensor in converted.tensors.items():
                checked_values(name, tensor)
        return one_sentence(caught.value.reason)

    return open_it
