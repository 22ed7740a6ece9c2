"""Mixing with another face: whose rows, which of them, and how much."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QComboBox, QFrame, QSlider, QWidget

from desktop_app.core.types import Mix
from ui.inversion.open_faces import OpenFaces
from ui.widgets.controls import button, column, label, row

_FULL = 100
_FACE_PX = 18


class MixPanel(QFrame):
    """Chooses another face and which parts of it are taken over.

    Signals:
        moved: The mix changed.
        settled: The mix is one worth undoing to; the name of a control whose quick moves are one state.
        photo_wanted: Another photo is to be inverted for the mix.

    Args:
        faces: Faces that are open.
        parent: Qt owner.
    """

    moved = Signal()
    settled = Signal(str)
    photo_wanted = Signal()

    def __init__(self, faces: OpenFaces, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._faces = faces
        self._own = ""
        self._rows = 0
        self._face = QComboBox()
        self._photo = button(
            self.tr("Photo …"), icon="image", tip=self.tr("Mix with the face of another photo")
        )
        self._groups = {
            "coarse": button(self.tr("Shape"), tip=self.tr("Coarse rows: pose and shape of the face")),
            "middle": button(self.tr("Features"), tip=self.tr("Middle rows: eyes, mouth, hair")),
            "fine": button(self.tr("Colours"), tip=self.tr("Fine rows: colours, light and detail")),
        }
        self._strength = QSlider(Qt.Orientation.Horizontal)
        self._value = label(role="value")
        self._build_ui()
        self._connect()
        self._list_faces()

    @property
    def mix(self) -> Mix | None:
        """The mix as the controls say; None when it changes nothing."""
        session_id = str(self._face.currentData() or "")
        groups = tuple(name for name, one in self._groups.items() if one.isChecked())
        if not session_id or not groups or not self._strength.value():
            return None
        return Mix(session_id, groups, self._strength.value() / _FULL)

    def open_session(self, session_id: str, rows: int) -> None:
        """Offer the faces that fit an inversion: others of the same size."""
        self._own, self._rows = session_id, rows
        self._list_faces()

    def set_mix(self, mix: Mix | None) -> None:
        """Set the controls without telling anybody; None: no mix."""
        parts = (self._face, self._strength, *self._groups.values())
        for part in parts:
            part.blockSignals(True)
        place = 0 if mix is None else self._face.findData(mix.session_id)
        self._face.setCurrentIndex(max(0, place))
        if mix is not None:
            for name, one in self._groups.items():
                one.setChecked(name in mix.groups)
            self._strength.setValue(round(_FULL * mix.strength))
        for part in parts:
            part.blockSignals(False)
        self._update_state()

    def choose_face(self, session_id: str) -> None:
        """Mix with an open face."""
        place = self._face.findData(session_id)
        if place > 0:
            self._face.setCurrentIndex(place)

    # --- building -----------------------------------------------------------------------------------

    def _build_ui(self) -> None:
        self._face.setAccessibleName(self.tr("Face to mix with"))
        self._face.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self._face.setMinimumContentsLength(8)
        self._face.setIconSize(QSize(_FACE_PX, _FACE_PX))
        self._strength.setRange(0, _FULL)
        self._strength.setValue(_FULL)
        self._strength.setAccessibleName(self.tr("Strength of the mix"))
        for one in self._groups.values():
            one.setCheckable(True)
        self._groups["coarse"].setChecked(True)
        box = column(label(self.tr("MIX WITH ANOTHER FACE"), role="section"), spacing=6)
        chosen = row(self._face, self._photo, spacing=6)
        chosen.setStretch(0, 1)
        box.addLayout(chosen)
        self._details = QWidget()
        inside = column(spacing=6)
        inside.addLayout(row(*self._groups.values(), spacing=6))
        strength = row(label(self.tr("Strength")), self._strength, self._value, spacing=10)
        strength.setStretch(1, 1)
        inside.addLayout(strength)
        self._details.setLayout(inside)
        box.addWidget(self._details)
        self.setLayout(box)

    def _connect(self) -> None:
        self._faces.changed.connect(self._list_faces)
        self._face.currentIndexChanged.connect(self._on_chosen)
        self._photo.clicked.connect(self.photo_wanted)
        for one in self._groups.values():
            one.toggled.connect(self._on_chosen)
        self._strength.valueChanged.connect(self._on_moved)
        self._strength.sliderReleased.connect(self._on_released)

    # --- state --------------------------------------------------------------------------------------

    def _list_faces(self) -> None:
        chosen = str(self._face.currentData() or "")
        self._face.blockSignals(True)
        self._face.clear()
        self._face.addItem(self.tr("No mix"), "")
        for one in self._faces.faces:
            if one.session_id != self._own and one.rows == self._rows:
                self._face.addItem(QIcon(one.picture), one.title, one.session_id)
        self._face.setCurrentIndex(max(0, self._face.findData(chosen)))
        self._face.blockSignals(False)
        self._update_state()

    def _on_chosen(self, _value: object) -> None:
        self._update_state()
        self.moved.emit()
        self.settled.emit("")

    def _on_released(self) -> None:
        self.settled.emit("mix.strength")

    def _on_moved(self, _value: int) -> None:
        self._update_state()
        self.moved.emit()
        if not self._strength.isSliderDown():
            self._on_released()

    def _update_state(self) -> None:
        self._details.setVisible(bool(self._face.currentData()))
        self._value.setText(f"{self._strength.value()} %")
