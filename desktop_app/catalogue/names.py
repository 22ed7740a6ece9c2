"""Names that users give to classes and people."""

from __future__ import annotations

import unicodedata

from desktop_app.core.errors import UserInputError


def clean_name(name: str, *, kind: str, most: int, hint: str) -> str:
    """A name without spaces at its ends and control characters.

    Args:
        name: As typed.
        kind: What is named, for example `class`.
        most: Letters that are allowed.
        hint: What to do when nothing was typed.

    Raises:
        UserInputError: Nothing is left, or too much.
    """
    text = unicodedata.normalize("NFC", " ".join(name.split()))
    text = "".join(letter for letter in text if unicodedata.category(letter)[0] != "C")
    if not text:
        raise UserInputError(f"A {kind} needs a name.", hint)
    if len(text) > most:
        raise UserInputError(f"The name of a {kind} has at most {most} letters.")
    return text
