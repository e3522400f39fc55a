"""The file dialogs. None blocks: what was chosen is handed to `chosen`."""

from collections.abc import Callable

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QFileDialog, QWidget


def ask_file(parent: QWidget, chosen: Callable[[str], object]) -> None:
    """Ask for a checkpoint, a picture or a lesson."""
    dialog = QFileDialog(parent, QCoreApplication.translate("Ask", "Open"))
    dialog.setNameFilters([
        QCoreApplication.translate(
            "Ask",
            "Checkpoints, pictures, lessons (*.safetensors *.pt *.pth *.png *.jpg *.jpeg *.webp *.bmp "
            "*.gif *.tif *.tiff *.toml)"),
        QCoreApplication.translate("Ask", "All files (*)"),
    ])  # fmt: skip
    _open(dialog, chosen)


def ask_folder(parent: QWidget, chosen: Callable[[str], object]) -> None:
    """Ask for a folder of class folders."""
    dialog = QFileDialog(parent, QCoreApplication.translate("Ask", "Folder of class folders"))
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    _open(dialog, chosen)


def ask_weights(parent: QWidget, chosen: Callable[[str], object]) -> None:
    """Ask where to save a lane's weights."""
    dialog = QFileDialog(parent, QCoreApplication.translate("Ask", "Save the selected lane's weights"))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setDefaultSuffix("safetensors")
    ours = "safetensors (*.safetensors)"
    theirs = QCoreApplication.translate("Ask", "PyTorch, under torchvision's names (*.pt)")
    dialog.setNameFilters([ours, theirs])
    dialog.filterSelected.connect(
        lambda kind: dialog.setDefaultSuffix("pt" if kind == theirs else "safetensors")
    )
    _open(dialog, chosen)


def _open(dialog: QFileDialog, chosen: Callable[[str], object]) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(chosen)
    dialog.open()
