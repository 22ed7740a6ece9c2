"""Random faces of a model: what its generator can draw by itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PySide6.QtCore import QSize, Qt, QTimer
from PySide6.QtGui import QPixmap
from PySide6.QtWidgets import QDialog, QGridLayout, QLabel, QSlider, QWidget

from desktop_app.core.types import JobFailure, ModelInfo, SampledFaces, SampleFacesRequest
from desktop_app.worker.job_handle import JobHandle
from ui import file_dialogs
from ui.job_center import JobCenter
from ui.qt_image import to_qimage
from ui.widgets.controls import button, column, label, row

_COLUMNS = 4
_COUNT = 12
_TILE_PX = 148
_SETTLE_MS = 250


class RandomFacesDialog(QDialog):
    """Draws faces again whenever the seed or the variety changes.

    Args:
        jobs: Answers requests.
        model: Whose faces.
        parent: Qt owner.
    """

    def __init__(self, jobs: JobCenter, model: ModelInfo, *, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._model = model
        self._seed = 0
        self._handle: JobHandle | None = None
        self._faces: SampledFaces | None = None
        self._tiles = [QLabel() for _ in range(_COUNT)]
        self._message = label(role="muted", wraps=True)
        self._variety = QSlider(Qt.Orientation.Horizontal)
        self._value = label(role="muted")
        self._others = button(self.tr("Draw others"), icon="refresh", role="primary")
        self._save = button(self.tr("Save as a picture …"), icon="document")
        self._settle = QTimer(self, singleShot=True, interval=_SETTLE_MS)
        self._build_ui()
        self._connect()
        self._draw()

    def _build_ui(self) -> None:
        self.setWindowTitle(self.tr("Random faces"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        grid = QGridLayout()
        grid.setSpacing(6)
        for number, tile in enumerate(self._tiles):
            tile.setFixedSize(QSize(_TILE_PX, _TILE_PX))
            tile.setProperty("role", "tile")
            grid.addWidget(tile, number // _COLUMNS, number % _COLUMNS)
        self._variety.setRange(0, 100)
        self._variety.setValue(70)
        self._variety.setAccessibleName(self.tr("Variety"))
        self._variety.setToolTip(
            self.tr("Truncation ψ: at 0 the average face, at 1 the faces as drawn, odder and less clean")
        )
        hint = self.tr("Drawn from noise by “{}”: nobody in particular. No photo is used.")
        variety = row(label(self.tr("Variety")), self._variety, self._value, spacing=12)
        body = column(label(hint.format(self._model.title), role="muted", wraps=True), spacing=12, margin=18)
        body.addLayout(grid)
        body.addWidget(self._message)
        body.addLayout(variety)
        body.addLayout(row(None, self._save, self._others))
        self.setLayout(body)
        self.setFixedWidth(_COLUMNS * _TILE_PX + (_COLUMNS - 1) * 6 + 36)
        self._save.setEnabled(False)

    def _connect(self) -> None:
        self._variety.valueChanged.connect(self._change_variety)
        self._settle.timeout.connect(self._draw)
        self._others.clicked.connect(self._draw_others)
        self._save.clicked.connect(self._choose_target)
        self.finished.connect(self._stop)

    def _change_variety(self) -> None:
        self._value.setText(f"ψ {self._variety.value() / 100:.2f}")
        self._settle.start()

    def _draw_others(self) -> None:
        self._seed += 1
        self._draw()

    def _draw(self) -> None:
        self._stop()
        psi = self._variety.value() / 100
        self._value.setText(f"ψ {psi:.2f}")
        self._message.setText(self.tr("Drawing …"))
        handle = self._jobs.ask(SampleFacesRequest(self._model.name, _COUNT, psi, self._seed))
        handle.finished.connect(self._show_faces)
        handle.failed.connect(self._show_failure)
        self._handle = handle

    def _stop(self) -> None:
        if self._handle is not None:
            self._handle.finished.disconnect(self._show_faces)  # it may be on its way already
            self._handle.cancel()
            self._handle = None

    def _show_faces(self, answer: SampledFaces) -> None:
        self._handle = None
        self._faces = answer
        self._message.setText("")
        self._save.setEnabled(True)
        ratio = self.devicePixelRatioF()
        size = QSize(_TILE_PX, _TILE_PX) * ratio
        for tile, image in zip(self._tiles, answer.images, strict=False):
            picture = QPixmap.fromImage(to_qimage(image)).scaled(
                size, Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
            )
            picture.setDevicePixelRatio(ratio)
            tile.setPixmap(picture)

    def _show_failure(self, failure: JobFailure) -> None:
        self._handle = None
        self._message.setText(f"{failure.message} {failure.hint}".strip())

    def _choose_target(self) -> None:
        suggestion = Path.home() / f"random_faces_{self._seed}.png"
        target = file_dialogs.choose_target(
            self, self.tr("Save the faces"), suggestion=suggestion, kinds="PNG (*.png);;JPEG (*.jpg)"
        )
        if target is not None:
            self.save(target)

    def save(self, target: Path) -> None:
        """Write the faces that are shown as one picture, in the model's own pixels."""
        if self._faces is None:
            return
        images = self._faces.images
        rows = [np.concatenate(images[i : i + _COLUMNS], axis=1) for i in range(0, len(images), _COLUMNS)]
        if to_qimage(np.concatenate(rows, axis=0)).save(str(target)):
            self._message.setText(self.tr("Saved {}").format(target.name))
        else:
            self._message.setText(self.tr("{} could not be written. Choose another place.").format(target))
