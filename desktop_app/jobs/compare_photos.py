"""Compare two photos: how alike, where, and why."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from desktop_app.core.errors import UserInputError
from desktop_app.core.types import (
    ComparePhotosRequest,
    FloatArray,
    Image,
    PhotoComparison,
    PlaceMatch,
    SharedColour,
    SharedPart,
    SimilarityPart,
    read_only,
)
from desktop_app.jobs.services import Services

if TYPE_CHECKING:
    from desktop_app.engine.compare.part_of import PartOf
    from desktop_app.engine.compare.patch_maps import PairFacts, PartFacts
    from desktop_app.engine.embed.embedder import Embedder

Box = tuple[float, float, float, float]

_SHOWN_PX = 720
_NAMED_COLOURS = 3
_WIDE_MATCH = 0.6  # heat from which on a place counts as found
_CLEAR_SHARE = 0.25
_ONE_AREA = 0.9  # of one photo found in another from which on they show one picture
_WHOLE_SHARE = 0.85  # of one photo found in another from which on it is contained in it
_ALL_PLACES = 0.995
_ALL_PAIRS = 0.9995
# How alike in one respect, as a share of what equal photos have.
_DEGREES = ((0.9, "nearly the same"), (0.6, "much alike"), (0.3, "somewhat alike"), (0.1, "hardly alike"))


def run(request: ComparePhotosRequest, services: Services) -> Generator[object, None, PhotoComparison]:
    """Compare.

    Returns:
        `PhotoComparison`.

    Raises:
        UserInputError: A photo cannot be read, or the encoder is none of the engine's.
    """
    from desktop_app.catalogue.duplicates import picture_signature, show_the_same
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
    place = _place_of_one(pictures)
    yield None
    colours = tuple(SharedColour(c.name, c.rgb, c.first, c.second) for c in shared_colours(*pictures))
    background = services.vectors.background()
    nearer = None
    if len(background):
        nearer = float(np.searchsorted(background, facts.similarity) / len(background))
    is_one = facts.similarity >= services.settings.search.duplicate_similarity and show_the_same(
        picture_signature(first), picture_signature(second)
    )
    heat_boxes = (embedder.seen_box(first), embedder.seen_box(second))
    part = None
    if place is not None and place[1].area >= _ONE_AREA:
        is_one = True
    elif place is not None:
        part = SharedPart(place[0], place[1].box, place[1].is_mirrored)
        facts, heat_boxes = _held_against(facts, (first, second), place, embedder=embedder)
    for array in (*pictures, *(facts.heats or ())):
        read_only(array)
    return PhotoComparison(
        similarity=facts.similarity,
        nearer_than=nearer,
        pictures=pictures,
        heats=facts.heats,
        heat_boxes=heat_boxes,
        matches=tuple(PlaceMatch(m.first, m.second, m.similarity) for m in facts.matches),
        parts=tuple(SimilarityPart(part.name, part.added, part.most) for part in facts.parts),
        colours=colours,
        reasons=tuple(_reasons(facts, colours, nearer, is_one=is_one, part=part)),
        encoder=embedder.name,
        part=part,
    )


def _place_of_one(pictures: tuple[Image, Image]) -> tuple[int, PartOf] | None:
    """Which of two pictures lies in the other, 0 or 1, and where."""
    from desktop_app.engine.compare.part_of import find_part

    found = [(inner, find_part(pictures[1 - inner], pictures[inner])) for inner in (0, 1)]
    told = [(inner, place) for inner, place in found if place is not None]
    return max(told, key=lambda one: one[1].agreement, default=None)


def _held_against(
    facts: PairFacts, photos: tuple[Image, Image], place: tuple[int, PartOf], *, embedder: Embedder
) -> tuple[PairFacts, tuple[Box, Box]]:
    """Places found anew between the part and what the other photo holds there, and where the maps lie."""
    from desktop_app.engine.compare.part_of import cut_out
    from desktop_app.engine.compare.patch_maps import compare_in_place

    inner, where = place
    cut = cut_out(photos[1 - inner], where)
    seen = embedder.seen_box(cut)
    left, top, width, height = where.box
    within = (left + seen[0] * width, top + seen[1] * height, seen[2] * width, seen[3] * height)
    own = embedder.seen_box(photos[inner])
    boxes = (own, within) if inner == 0 else (within, own)
    found = compare_in_place(embedder, cut, photos[inner])
    if found is None:
        return facts, boxes
    (outer_heat, inner_heat), matches = found
    if where.is_mirrored:  # the cut was turned to look like the part; the photo is shown as it is
        outer_heat = np.ascontiguousarray(outer_heat[:, ::-1])
        matches = tuple(replace(one, first=(1.0 - one.first[0], one.first[1])) for one in matches)
    if inner == 0:
        matches = tuple(replace(one, first=one.second, second=one.first) for one in matches)
        return replace(facts, heats=(inner_heat, outer_heat), matches=matches), boxes
    return replace(facts, heats=(outer_heat, inner_heat), matches=matches), boxes


def _reasons(
    facts: PairFacts,
    colours: tuple[SharedColour, ...],
    nearer: float | None,
    *,
    is_one: bool,
    part: SharedPart | None = None,
) -> list[str]:
    found = []
    if part is not None:
        found.append(_shared_part_words(part))
        is_one = False  # said already, and better
    if is_one:
        found.append("They show one picture: saved again, resized, trimmed or changed a little.")
    if nearer is not None:
        found.append(_rank_words(nearer))
    if facts.parts:
        found.append(_part_words(facts.parts))
    if colours:
        names = _listed([colour.name for colour in colours[:_NAMED_COLOURS]])
        share = sum(min(colour.first_share, colour.second_share) for colour in colours)
        found.append(f"{100 * share:.0f} % of their colours are the same, above all {names}.")
    else:
        found.append("They share hardly any colour.")
    if facts.heats is not None and part is None:
        found.append(_place_words(facts.heats, has_matches=bool(facts.matches)))
    return found


def _shared_part_words(part: SharedPart) -> str:
    inner, outer = ("first", "second") if part.inner == 0 else ("second", "first")
    turned = ", mirrored" if part.is_mirrored else ""
    area = 100 * part.box[2] * part.box[3]
    return (
        f"The {inner} photo is a part of the {outer}{turned}: about {area:.0f} % of its area, framed there."
    )


def _rank_words(nearer: float) -> str:
    if nearer >= _ALL_PAIRS:
        return "They are more alike than practically all random pairs of the library."
    more, share = ("more", nearer) if nearer >= 0.5 else ("less", 1.0 - nearer)
    return f"They are {more} alike than {100 * share:.1f} % of random pairs of the library."


def _part_words(parts: Sequence[PartFacts]) -> str:
    """How alike the encoder finds each respect, against what it would find of two equal photos."""
    named = {"kinds of things": "the kind of thing", "colours": "fine shades"}
    added: dict[str, float] = {}
    most: dict[str, float] = {}
    for part in parts:
        name = named.get(part.name, "shapes")
        added[name] = added.get(name, 0.0) + part.added
        most[name] = most.get(name, 0.0) + part.most
    by_degree: dict[str, list[str]] = {}
    for name in sorted(most, key=lambda name: -most[name]):
        by_degree.setdefault(_degree(added[name] / max(most[name], 1e-6)), []).append(name)
    found = [f"{_listed(names)} {degree}" for degree, names in by_degree.items()]
    return f"The encoder finds {'; '.join(found)}."


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _degree(share: float) -> str:
    return next((words for least, words in _DEGREES if share >= least), "not alike")


def _place_words(heats: Sequence[FloatArray], *, has_matches: bool) -> str:
    covered = [float((heat >= _WIDE_MATCH).mean()) for heat in heats]
    if min(covered) >= _ALL_PLACES:
        return "Every part of each has its like in the other."
    if max(covered) >= _WHOLE_SHARE and min(covered) < _CLEAR_SHARE:
        inner, outer = ("first", "second") if covered[0] > covered[1] else ("second", "first")
        return f"Nearly all of the {inner} photo has its like in a small part of the {outer}."
    if max(covered) >= _CLEAR_SHARE:
        return (
            f"{100 * covered[0]:.0f} % of the first and {100 * covered[1]:.0f} % of the second photo "
            "have their like in the other."
        )
    if has_matches:
        return "Only small parts of them have their like in the other."
    return "No part of one has its like in the other."
