"""Compare two photos: how alike, where, and why."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    ComparePhotosRequest,
    PhotoComparison,
    PlaceMatch,
    SharedColour,
    SimilarityPart,
    read_only,
)
from desktop_app.jobs.services import Services

if TYPE_CHECKING:
    from desktop_app.engine.compare.patch_maps import PairFacts

_SHOWN_PX = 720
_NAMED_COLOURS = 3
_WIDE_MATCH = 0.6  # heat from which on a place counts as found
_CLEAR_SHARE = 0.25


def run(request: ComparePhotosRequest, services: Services) -> Generator[object, None, PhotoComparison]:
    """Compare.

    Returns:
        `PhotoComparison`.

    Raises:
        UserInputError: A photo cannot be read, or the encoder is none of the engine's.
    """
    from desktop_app.catalogue.thumbnails import shrink
    from desktop_app.engine.compare.colours import shared_colours
    from desktop_app.engine.compare.patch_maps import compare_pair
    from desktop_app.engine.embed.embedder import Embedder

    first, second = services.read_photo(request.first), services.read_photo(request.second)
    yield None
    embedder = services.embedder()
    if not isinstance(embedder, Embedder):
        raise UserInputError("This encoder cannot show what it compares.", "Choose another encoder.")
    yield None
    facts = compare_pair(embedder, first, second)
    yield None
    pictures = (shrink(first, _SHOWN_PX), shrink(second, _SHOWN_PX))
    colours = tuple(SharedColour(c.name, c.rgb, c.first, c.second) for c in shared_colours(*pictures))
    background = services.vectors.background()
    nearer = None
    if len(background):
        nearer = float(np.searchsorted(background, facts.similarity) / len(background))
    for array in (*pictures, *(facts.heats or ())):
        read_only(array)
    return PhotoComparison(
        similarity=facts.similarity,
        nearer_than=nearer,
        pictures=pictures,
        heats=facts.heats,
        heat_boxes=(embedder.seen_box(first), embedder.seen_box(second)),
        matches=tuple(PlaceMatch(m.first, m.second, m.similarity) for m in facts.matches),
        parts=tuple(SimilarityPart(name, added) for name, added in facts.parts),
        colours=colours,
        reasons=tuple(_reasons(facts, colours, nearer)),
        encoder=embedder.name,
    )


def _reasons(facts: PairFacts, colours: tuple[SharedColour, ...], nearer: float | None) -> list[str]:
    found = []
    if nearer is not None:
        found.append(f"They are more alike than {100 * nearer:.1f} % of random pairs of the library.")
    if facts.parts:
        name, added = max(facts.parts, key=lambda part: part[1])
        share = added / facts.similarity if facts.similarity > 0 else 0.0
        if share > 0:
            found.append(f"Most of it comes from {_part_words(name)} ({100 * min(share, 1.0):.0f} %).")
    if colours:
        names = " and ".join(colour.name for colour in colours[:_NAMED_COLOURS])
        share = sum(min(colour.first_share, colour.second_share) for colour in colours)
        found.append(f"They share {100 * share:.0f} % of their colours, above all {names}.")
    else:
        found.append("They share hardly any colour.")
    if facts.heats is not None:
        covered = [float((heat >= _WIDE_MATCH).mean()) for heat in facts.heats]
        if min(covered) >= _CLEAR_SHARE:
            found.append(
                f"{100 * covered[0]:.0f} % of the first and {100 * covered[1]:.0f} % of the second photo "
                "have their like in the other."
            )
        else:
            found.append("Only small parts of them have their like in the other.")
    return found


def _part_words(name: str) -> str:
    if name == "colours":
        return "the colours"
    if name == "kinds of things":
        return "the kind of thing they show"
    number, _, total = name.removeprefix("stage ").partition(" of ")
    if number == total:
        return "overall form and parts (late stage)"
    if number == "1":
        return "edges and fine texture (early stage)"
    return "patterns and small parts (middle stage)"
