"""The file dialogs. None blocks: what was chosen is handed to `chosen`."""

from collections.abc import Callable, Mapping

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
    ask_directory(parent, QCoreApplication.translate("Ask", "Folder of class folders"), chosen)


def ask_directory(parent: QWidget, title: str, chosen: Callable[[str], object]) -> None:
    """Ask for a folder."""
    dialog = QFileDialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    _open(dialog, chosen)


def ask_weights(parent: QWidget, chosen: Callable[[str], object]) -> None:
    """Ask where to save a lane's weights."""
    kinds = {
        "safetensors": "safetensors (*.safetensors)",
        "pt": QCoreApplication.translate("Ask", "PyTorch, under torchvision's names (*.pt)"),
    }
    ask_name(parent, QCoreApplication.translate("Ask", "Save the selected lane's weights"), kinds, chosen)


def ask_name(
    parent: QWidget | None, title: str, kinds: Mapping[str, str], chosen: Callable[[str], object]
) -> QFileDialog:
    """Ask where to write; `kinds`: an ending and its filter in words. The ending is added by itself."""
    dialog = QFileDialog(parent, title)
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    endings = {words: ending for ending, words in kinds.items()}
    dialog.setNameFilters(list(endings))
    dialog.setDefaultSuffix(next(iter(kinds)))
    dialog.filterSelected.connect(lambda words: dialog.setDefaultSuffix(endings[words]))
    _open(dialog, chosen)
    return dialog


def _open(dialog: QFileDialog, chosen: Callable[[str], object]) -> None:
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.fileSelected.connect(chosen)
    dialog.open()
