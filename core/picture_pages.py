"""Makes a page of an album: which pictures pass, and all that is known of them."""

import numpy as np

from core.albums import Albums
from core.messages import BROUGHT, BrowsePictures, PicturePage, readonly
from core.predictions import Predictions, chosen

MOST_PAGE = 500  # pictures


def page(asked: BrowsePictures, albums: Albums, known: Predictions | None) -> PicturePage:
    """Choose the pictures and say what is known of them; a page has at most MOST_PAGE pictures."""
    labels = albums.labels(asked.source, asked.album)
    passing = chosen(asked, labels, albums.truth(asked.source, asked.album), known)
    first = max(asked.offset, 0)
    here = passing[first : first + min(max(asked.count, 0), MOST_PAGE)]
    opened = albums.opened if asked.album == BROUGHT else None
    nothing = np.full((1, len(here)), -1)
    return PicturePage(
        request=asked.id, matching=len(passing), offset=asked.offset, indices=readonly(here.copy()),
        pixels=readonly(albums.pixels(asked.album, here)), labels=readonly(labels[here]),
        predicted=readonly(nothing if known is None else known.predicted[:, here]),
        confidence=readonly(nothing * np.nan if known is None else known.confidence[:, here]),
        step=None if known is None else known.step,
        class_names=albums.label_names(asked.source, asked.album), album=asked.album,
        paths=() if opened is None else tuple(opened.album.paths[each] for each in here.tolist()),
        unreadable=() if opened is None else tuple(opened.unreadable[here].tolist()),
        judged=0 if known is None else known.count, total=albums.total(asked.album),
        losses=None if known is None else readonly(known.losses[:, here]),
    )  # fmt: skip
