"""The lines of text in the pictures panel: what is shown, how old it is, why there is nothing."""

from PySide6.QtCore import QCoreApplication

from core.messages import BROUGHT, BrowsePictures, Explanation
from core.pictures import Picture
from gui.album_state import AlbumState
from gui.gallery_picture import GalleryPicture
from gui.picture_state import LANES, PictureState
from gui.wording import say, whole

BEGINNER = 50  # lanes that have made fewer steps know little


def no_pictures(state: PictureState, asked: BrowsePictures, no_class: str = "") -> str:
    """Say why the gallery is empty."""
    if no_class:
        text = QCoreApplication.translate("Pictures", "No class is called “{text}”")
        return text.format(text=no_class)
    if state.run is None:
        return QCoreApplication.translate("Pictures", "Pictures appear when the data set is loaded")
    if state.browse is not None:
        return QCoreApplication.translate("Pictures", "Looking for pictures…")
    if asked.kind == "disagree" and asked.source == LANES and len(state.run.lanes) < 2:
        return QCoreApplication.translate("Pictures", "It takes two lanes to disagree")
    if asked.album == BROUGHT:
        return QCoreApplication.translate("Pictures", "None of the pictures you opened passes this filter")
    if state.page_step is None:
        return QCoreApplication.translate("Pictures", "No held-out picture passes this filter yet")
    return QCoreApplication.translate("Pictures", "No held-out picture passes this filter")


def status(state: PictureState, matching: int, album: AlbumState) -> str:
    """Say how many pictures there are, how many are predicted and how old the predictions are."""
    if state.run is None or not matching:
        return ""
    parts = [_how_many(matching, album.pictures if album.is_brought else state.run.held_out, album)]
    if album.judged < album.total:
        if matching == album.total:  # it was said
            text = QCoreApplication.translate("Pictures", "judged {judged}")
        else:
            text = QCoreApplication.translate("Pictures", "judged {judged} of {total}")
        parts.append(text.format(judged=whole(album.judged), total=whole(album.total)))
    if state.page_step is not None:
        text = QCoreApplication.translate("Pictures", "predicted at step {step}")
        parts.append(text.format(step=whole(state.page_step)))
    return " · ".join(parts)


def _how_many(matching: int, pictures: int, album: AlbumState) -> str:
    if album.is_brought and matching < pictures:
        text = QCoreApplication.translate("Pictures", "{matching} of the {all} pictures you opened")
    elif album.is_brought:
        text = QCoreApplication.translate("Pictures", "{matching} pictures you opened")
    elif matching < pictures:
        text = QCoreApplication.translate("Pictures", "{matching} of {all} held-out pictures")
    else:
        text = QCoreApplication.translate("Pictures", "{matching} held-out pictures")
    return text.format(matching=whole(matching), all=whole(pictures))


def hint(state: PictureState, source: str, references: tuple[str, ...]) -> str:
    """Offer networks that have learnt already while the lanes have not; rich text with one link."""
    if state.run is None or source != LANES or references or (state.step or 0) >= BEGINNER:
        return ""
    text = QCoreApplication.translate("Pictures", "The lanes have learnt little yet. {link}")
    link = QCoreApplication.translate("Pictures", "Use the pretrained twins")
    return text.format(link=f'<a href="pretrained">{link}</a>')


def caption(
    explanation: Explanation | None, held_out: GalleryPicture | None, label: str, brought: Picture | None
) -> str:
    """Name the picture that is explained, and what the maps are measured against."""
    parts = []
    if brought is not None:
        parts.append(QCoreApplication.translate("Pictures", "Your picture {name}").format(name=brought.name))
        parts += [say(note) for note in brought.notes]
    elif held_out is not None:
        text = QCoreApplication.translate("Pictures", "Held-out picture {index}: {label}")
        parts.append(text.format(index=whole(held_out.index), label=label))
    if explanation is not None and explanation.baseline == "zero":
        parts.append(QCoreApplication.translate("Pictures", "measured against the zero picture"))
    return " · ".join(parts)


def details(explanation: Explanation | None) -> str:
    """Say how the explanation was made, for the caption's hover."""
    if explanation is None:
        return ""
    text = QCoreApplication.translate(
        "Pictures", "as the networks saw it: {transform}\n{seconds} s of computing"
    )
    return text.format(transform=explanation.transform, seconds=f"{explanation.seconds:.2g}")
