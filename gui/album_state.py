"""Which album the gallery shows, which of its pictures is chosen, how many are predicted; no widgets."""

from core.messages import BROUGHT, HELD_OUT, AlbumOpened, OpenAlbum, PicturePage


class AlbumState:
    """The held-out pictures are always there; pictures the user opened join them."""

    def __init__(self) -> None:
        self.album = HELD_OUT
        self.title = ""  # of the pictures the user opened
        self.pictures = 0  # so many of them
        self.judged = 0  # pictures of the album that the source has predicted …
        self.total = 0  # … of so many
        self.choice: int | None = None  # which of the opened pictures is looked at
        self.takes_first = False  # the first picture of the next page is to be chosen
        self.opening: OpenAlbum | None = None  # waiting for its answer

    @property
    def is_brought(self) -> bool:
        """Whether the pictures shown are those the user opened."""
        return self.album == BROUGHT

    def show(self, album: str) -> None:
        """Turn to an album."""
        self.album, self.judged, self.total = album, 0, 0
        self.takes_first = False

    def ask(self, paths: tuple[str, ...]) -> OpenAlbum:
        """Note that pictures are being opened."""
        self.opening = OpenAlbum(paths)
        return self.opening

    def opened(self, event: AlbumOpened) -> None:
        """Take what was opened, in place of what was open before."""
        if self.opening is not None and event.request == self.opening.id:
            self.opening = None
        self.title, self.pictures, self.choice = event.title, event.pictures, None
        self.show(BROUGHT)
        self.takes_first = True

    def fail(self, request: int | None) -> bool:
        """Stop waiting for pictures that could not be opened; return whether they were waited for."""
        if self.opening is None or request != self.opening.id:
            return False
        self.opening = None
        return True

    def take_page(self, page: PicturePage) -> None:
        """Keep how many pictures are predicted."""
        self.judged, self.total = page.judged, page.total
