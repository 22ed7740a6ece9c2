from __future__ import annotations

from PySide6.QtCore import Qt

from desktop_app.core.types import HitKind
from tests.ui.fake_runner import hit
from ui.catalogue.hit_list_model import HitListModel
from ui.catalogue.photo_roles import PhotoRole
from ui.catalogue.thumbnail_cache import ThumbnailCache


def test_model_keeps_the_rules_of_item_models(qtmodeltester: object, thumbnails: ThumbnailCache) -> None:
    model = HitListModel(thumbnails)
    model.set_hits((hit(1, 0.91, 1), hit(2, 0.8, 2)))
    qtmodeltester.check(model)


def test_similarity_kind_and_description(thumbnails: ThumbnailCache) -> None:
    model = HitListModel(thumbnails)
    model.set_hits((hit(1, 0.98, 1, HitKind.NEAR_DUPLICATE),))
    index = model.index(0, 0)
    assert index.data(PhotoRole.SIMILARITY) == 0.98
    assert HitKind(index.data(PhotoRole.KIND)) is HitKind.NEAR_DUPLICATE
    text = index.data(Qt.ItemDataRole.ToolTipRole)
    assert "Similarity 0.9800" in text
    assert "Nearly the same picture" in text
